"""MiniStack with IAM enforced, as `cargo run` starts it (`standalone/local-aws/`), for as long as a block lasts."""

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from ..ports import free_port

LOCAL_AWS = Path(__file__).resolve().parents[4] / "standalone" / "local-aws"
# Long, for a busy machine: a MiniStack that ends is noticed at once.
START_SECONDS, STOP_SECONDS = 300, 15


class NotRunning(Exception):
    """MiniStack did not start."""


def require_ministack() -> None:
    """Ends with a sentence if this Python does not have MiniStack."""
    if importlib.util.find_spec("ministack") is None:
        sys.exit(
            "ministack is not there: run this with the Python that terraform/checks/tools prints for "
            "standalone/local-aws/requirements.txt, which it installs"
        )


def _environment(work: Path, port: int, account: str, region: str) -> dict[str, str]:
    # What is set for another local AWS, or for a real account, is none of this one's business.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MINISTACK_", "S3_", "LAMBDA_"))}
    return {
        **kept,
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": region,
        "STATE_DIR": str(work / "state"),
        "PERSIST_STATE": "0",
        "S3_PERSIST": "0",
    }


@contextlib.contextmanager
def enforcing(work: Path, account: str, region: str):
    """The endpoint of a MiniStack that enforces IAM for this account. It ends with the block, or with this process."""
    port, log = free_port(), work / "ministack.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "launcher.py", "--exit-with-parent"],
            cwd=LOCAL_AWS,
            env={**_environment(work, port, account, region), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait(process, endpoint, log)
        yield endpoint
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()
        process.stdin.close()


def _wait(process: subprocess.Popen, endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5).read()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotRunning(f"MiniStack did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)  # between two looks at a process that is starting
