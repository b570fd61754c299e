"""`python -m cloudapp_checks.enforced STATE [--example minimal]`: judges the roles of a state by MiniStack.

STATE is what `terraform show -json` prints, compressed or not. Ends with 1 and every wrong answer if there is one.
"""

import argparse
import gzip
import json
import sys
import time
from pathlib import Path

from ..serving import NotServing
from .ministack import require_ministack


def main() -> None:
    """Reads the state and judges it."""
    parser = argparse.ArgumentParser(prog="enforced", description="Asks a MiniStack that enforces IAM what each role may do.")
    parser.add_argument("state", type=Path)
    parser.add_argument("--example", choices=("production", "minimal"), default="production")
    arguments = parser.parse_args()
    require_ministack()
    from .judge import judge  # wants what require_ministack looks for

    packed, started = arguments.state.read_bytes(), time.monotonic()
    state = json.loads(gzip.decompress(packed) if arguments.state.suffix == ".gz" else packed)
    try:
        outcome = judge(state, arguments.example)
    except NotServing as failure:
        sys.exit(str(failure))
    print(outcome.said())
    if outcome.wrong:
        sys.exit(f"{len(outcome.wrong)} wrong answers about roles:\n  " + "\n  ".join(dict.fromkeys(outcome.wrong)))
    print(f"in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
