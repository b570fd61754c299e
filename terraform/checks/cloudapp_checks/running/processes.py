"""Programs as processes: each with a log, ready when it says so, gone at the end."""

import contextlib
import os
import subprocess
from pathlib import Path

from ..serving import answers, end
from .expect import NotSo

# All that a program gets of our own environment; the rest is what Terraform and the chart say.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")
READY_SECONDS = 90


class Processes:
    """What runs, in the order of starting; everything ends with the `with` block, the last first."""

    def __init__(self, logs: Path):
        self.logs = logs
        self.running: list[tuple[str, subprocess.Popen]] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for _, process in reversed(self.running):
            end(process)

    def _environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: os.environ[name] for name in INHERITED if name in os.environ} | environment

    def start(self, name: str, arguments: list, environment: dict[str, str], **options) -> subprocess.Popen:
        """Starts a program; what it says goes to its log."""
        with (self.logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(argument) for argument in arguments],
                env=self._environment(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal reaches us only, and we end them in order.
                start_new_session=True,
                **options,
            )
        self.running.append((name, process))
        return process

    def finish(self, name: str, arguments: list, environment: dict[str, str], seconds: int) -> None:
        """Runs a program to its end, which must be a good one."""
        process = self.start(name, arguments, environment)
        with contextlib.suppress(subprocess.TimeoutExpired):
            if process.wait(seconds) == 0:
                self.running.remove((name, process))
                return
        raise NotSo(f"{name} did not end well:\n{self.tail(name)}")

    def wait_until_ready(self, name: str, url: str) -> None:
        """Returns when `url` answers with success."""
        process = next(process for started, process in self.running if started == name)
        if not answers(process, url, READY_SECONDS):
            raise NotSo(f"{name} did not become ready ({url}):\n{self.tail(name)}")

    def require_all(self) -> None:
        """Everything that was started still runs."""
        gone = [name for name, process in self.running if process.poll() is not None]
        if gone:
            raise NotSo("\n".join(f"{name} has ended:\n{self.tail(name)}" for name in gone))

    def tail(self, name: str) -> str:
        """The end of a log."""
        return (self.logs / f"{name}.log").read_text(errors="replace")[-3000:]
