"""On what `apply --hold FILE` holds: python -m cloudapp_checks.running FILE [--programs FOLDER] [--work FOLDER]"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from ..emulated import Aws
from .expect import NotSo
from .judge import PROGRAMS, judge


def main() -> None:
    """Runs it; ends with 1 and one paragraph if something is wrong."""
    parser = argparse.ArgumentParser(prog="run", description="Runs CloudApp's programs on what Terraform made in the emulator.")
    parser.add_argument("held", type=Path, metavar="FILE", help="the file that `apply --hold FILE` wrote")
    parser.add_argument("--programs", type=Path, metavar="FOLDER", default=PROGRAMS, help="where the programs are")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="a folder for logs, kept; else a temporary one")
    arguments = parser.parse_args()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    held = json.loads(arguments.held.read_text())
    work = arguments.work or Path(tempfile.mkdtemp(prefix="cloudapp-running-"))
    started = time.monotonic()
    try:
        judge(Aws(held["endpoint"]), held, arguments.programs.resolve(), work.resolve())
    except NotSo as failure:
        sys.exit(f"\nFAILED after {time.monotonic() - started:.0f} s: {failure}\n\nlogs: {work}")
    print(f"CloudApp runs on what Terraform made: {time.monotonic() - started:.0f} s")
    if not arguments.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
