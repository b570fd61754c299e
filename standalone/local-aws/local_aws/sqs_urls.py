"""Patch: queues are found again when the port has changed.

MiniStack keys a queue by a URL with host and port in it, so after a restart on another port the event source
mappings no longer find their queues. Here the internal key has a fixed address, and the URL a caller sees is made
from the address the caller used, which MiniStack can do already.
"""

from ministack.services import sqs

CANONICAL_HOST = "localhost"
CANONICAL_PORT = "4566"


def install() -> None:
    """Fix the address inside queue keys."""
    sqs.DEFAULT_HOST = CANONICAL_HOST
    sqs.DEFAULT_PORT = CANONICAL_PORT
    sqs._CANONICAL_NETLOC = f"{CANONICAL_HOST}:{CANONICAL_PORT}"
    sqs._HOST_EXPLICIT = False
