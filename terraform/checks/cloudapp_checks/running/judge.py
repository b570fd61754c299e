"""All of it: every program started, used by people, and looked at."""

import os
import subprocess
from pathlib import Path

from botocore.exceptions import BotoCoreError

from .configured import REPOSITORY
from .expect import NotSo
from .installation import installed
from .journey import Journey

# Where cargo puts the programs.
PROGRAMS = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "debug"


def judge(aws, held: dict, programs: Path, work: Path) -> None:
    """Starts every program, lets people use them, and looks at what comes of it. Raises `NotSo`."""
    work.mkdir(parents=True, exist_ok=True)
    try:
        with installed(aws, held, programs, work) as installation:
            journey = Journey(aws, held["outputs"], installation)
            journey.the_pages()
            journey.a_machine_that_names_the_network()
            journey.a_machine_by_default()
            journey.refused()
            journey.the_sign_in_trigger()
            journey.traces_left()
            installation.processes.require_all()
    except (BotoCoreError, OSError, subprocess.SubprocessError) as trouble:
        raise NotSo(f"a call failed: {type(trouble).__name__}: {trouble}") from trouble
