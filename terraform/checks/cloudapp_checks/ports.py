"""Ports on loopback for programs that have to be told theirs, chosen as the crate `standalone/free-port` chooses them and
written into the same record: from below the range of outgoing connections, one after the other, so that nobody gets a
port soon that somebody else is about to listen on."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, EPHEMERAL, ENOUGH = 20_000, 32_768, 1_000
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def below(outgoing: str | None) -> range:
    """The ports to choose from, where outgoing connections have those that Linux names in `outgoing`."""
    lowest = int(outgoing.split()[0]) if outgoing else EPHEMERAL
    return range(FIRST, lowest) if lowest > FIRST + ENOUGH else range(FIRST, EPHEMERAL)


def free_port() -> int:
    """A port on 127.0.0.1 on which nobody listens, and which nobody gets soon who asks here or connects somewhere."""
    outgoing = None
    with contextlib.suppress(OSError):
        outgoing = OUTGOING.read_text()
    return after_the_last(Path(tempfile.gettempdir()) / f"cloudapp-last-port-{os.geteuid()}", below(outgoing))


def after_the_last(record: Path, ports: range) -> int:
    """The first free port after the one in `record`, which is locked meanwhile and then names this one."""
    with os.fdopen(os.open(record, os.O_RDWR | os.O_CREAT, 0o644), "r+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        text = kept.read().strip()
        last = int(text) if text.isdigit() and int(text) in ports else random.choice(ports)
        for port in (*range(last + 1, ports.stop), *range(ports.start, last + 1)):
            if _is_free(port):
                kept.seek(0)
                kept.write(f"{port}\n")
                return port
    raise OSError("every port is taken")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # What was closed a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True
