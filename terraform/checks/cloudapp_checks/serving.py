"""A program that serves: begun when it answers, and ended with what wanted it."""

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

# Long, for a busy machine: one that ends is noticed at once.
START_SECONDS, STOP_SECONDS = 300, 20


class NotServing(Exception):
    """It ended, or did not answer in time."""


@contextlib.contextmanager
def serving(arguments: list[str], url: str, log: Path, **options) -> Iterator[None]:
    """Runs a program for as long as the block lasts, which begins when `url` answers. `options` are `subprocess.Popen`'s."""
    with log.open("w") as out, subprocess.Popen(arguments, stdout=out, stderr=out, **options) as process:
        try:
            if not answers(process, url, START_SECONDS):
                raise NotServing(f"{' '.join(arguments)} did not start:\n{log.read_text()[-2000:]}")
            yield
        finally:
            end(process)


def answers(process: subprocess.Popen, url: str, seconds: float) -> bool:
    """Whether `url` answers with success before the process ends and the time is over."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            answer.read()
            return True
        time.sleep(0.1)  # between two looks at a process that is starting
    return False


def end(process: subprocess.Popen) -> None:
    """Asks it to end, and ends it if it does not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
