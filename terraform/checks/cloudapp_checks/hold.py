"""Leaves what was applied as it is until somebody ends it, so that programs can be run on it."""

import json
import signal
from pathlib import Path

ENDING = {signal.SIGINT, signal.SIGTERM}


def hold(file: Path, held: dict) -> None:
    """Writes the endpoint and the outputs to a file, says so, and returns at SIGINT or SIGTERM."""
    # Blocked before anybody can know that we wait, so that no signal comes too early.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        file.write_text(json.dumps(held, indent=2))
        print(f"holding; endpoint and outputs are in {file}; end with Ctrl-C or SIGTERM", flush=True)
        signal.sigwait(ENDING)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
