"""Patch: state is on disk within about a second of a change.

MiniStack writes its state at a clean exit only, so a `kill -9` would lose every user, queue message and key. Here
a thread writes it after every request that may have changed something: a moment later, so that a burst costs one
write; only the services whose state differs from what is on disk; by rename, so that a file is whole or old. The
files are MiniStack's own format and are read by MiniStack at the next start.

Logs and metrics are not checkpointed: they grow with every Lambda call and nothing depends on them.
"""

import hashlib
import json
import logging
import os
import threading
import time

from ministack import app
from ministack.core import persistence
from ministack.services import lambda_svc

logger = logging.getLogger("local_aws.checkpoint")

SERVICES = frozenset(("apigateway", "athena", "cognito", "glue", "iam", "kms", "lambda", "s3", "secretsmanager",
                      "ses", "ses_v2", "sns", "sqs", "ssm"))
DEBOUNCE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 1.0
# A write is followed by a pause this many times as long as it took, so that writing never takes over.
PAUSE_FACTOR = 4
# MiniStack changes some state on timers after a request (a new function becomes Active): look once more.
SECOND_LOOK_SECONDS = 3.0
ATTEMPTS = 5
READ_PREFIXES = ("Get", "List", "Describe", "BatchGet")


class Checkpointer:
    """Writes the state of MiniStack's services when they have changed."""

    def __init__(self, states=app._build_persistence_save_dict, directory: str = persistence.STATE_DIR):
        self._states = states
        self._directory = directory
        self._written: dict[str, bytes] = {}
        self._changed = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin to write in the background."""
        threading.Thread(target=self._run, name="checkpoint", daemon=True).start()

    def mark(self) -> None:
        """Something may have changed. Safe from any thread."""
        self._changed.set()

    def flush(self) -> None:
        """Write what has changed now."""
        with self._lock:
            for service, get_state in self._states().items():
                if service in SERVICES:
                    self._write(service, get_state)

    def _run(self) -> None:
        second_look = False
        while True:
            changed = self._changed.wait(timeout=SECOND_LOOK_SECONDS if second_look else None)
            second_look = changed
            time.sleep(DEBOUNCE_SECONDS)
            self._changed.clear()
            began = time.monotonic()
            self.flush()
            time.sleep(min(LONGEST_PAUSE_SECONDS, PAUSE_FACTOR * (time.monotonic() - began)))

    def _write(self, service: str, get_state) -> None:
        try:
            content = _serialised(service, get_state)
            if content is None:
                return
            digest = hashlib.sha256(content).digest()
            if self._written.get(service) == digest:
                return
            path = os.path.join(self._directory, f"{service}.json")
            with open(path + ".checkpoint", "wb") as file:
                file.write(content)
            os.replace(path + ".checkpoint", path)
            self._written[service] = digest
        except Exception:
            logger.exception("the state of %s could not be written", service)


def _serialised(service: str, get_state) -> bytes | None:
    """The service's state in MiniStack's file format, or None when it has none."""
    for attempt in range(ATTEMPTS):
        try:
            state = get_state()
            break
        except RuntimeError:  # a handler changed a dictionary while it was being copied
            if attempt == ATTEMPTS - 1:
                raise
    if state is None:
        return None
    wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
    return json.dumps(wrapped, default=persistence._json_default).encode()


def may_change_state(method: str, target: str) -> bool:
    """Whether a request with this method and `X-Amz-Target` can change anything."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    return not target.rpartition(".")[2].startswith(READ_PREFIXES)


def install() -> Checkpointer:
    """Watch the changes that do not come in as requests, and return the checkpointer for those that do."""
    checkpointer = Checkpointer()
    run_sqs_batch = lambda_svc._run_sqs_batch

    def run_batch(*args):
        checkpointer.mark()  # the batch was received
        try:
            run_sqs_batch(*args)
        finally:
            checkpointer.mark()  # and is deleted, or will come again

    lambda_svc._run_sqs_batch = run_batch
    return checkpointer
