"""What must be so, and waiting until it is."""

import time


class NotSo(AssertionError):
    """Something is not as it must be when CloudApp runs on what Terraform made."""


def expect(holds, what: str) -> None:
    """Raises `NotSo` unless it holds."""
    if not holds:
        raise NotSo(what)


def eventually(what: str, look, seconds: float = 60):
    """The first answer of `look` that is neither `None` nor false; `NotSo` with the last one if none comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotSo(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)  # between two looks
