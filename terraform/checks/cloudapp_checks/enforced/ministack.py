"""MiniStack with IAM enforced, as `cargo run` starts it (`standalone/local-aws/`), for as long as a block lasts."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from ..ports import free_port
from ..serving import serving

LOCAL_AWS = Path(__file__).resolve().parents[4] / "standalone" / "local-aws"


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
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with serving(
        [sys.executable, "launcher.py", "--exit-with-parent"],
        f"{endpoint}/_ministack/health",
        work / "ministack.log",
        cwd=LOCAL_AWS,
        env={**_environment(work, port, account, region), "PYTHONDONTWRITEBYTECODE": "1"},
        # It ends when this is closed, by whatever end this process comes to.
        stdin=subprocess.PIPE,
    ):
        yield endpoint
