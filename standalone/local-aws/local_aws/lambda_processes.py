"""Patch: Lambda processes die with the launcher.

MiniStack leaves its `bootstrap` processes behind when it stops. Here a clean stop ends them, and on Linux the
kernel kills them when the launcher dies in any other way. The kernel's signal is bound to the thread that started
the process, and MiniStack starts Lambdas from short-lived threads, so one thread that lives as long as the
launcher starts them all. Elsewhere than on Linux a `kill -9` of the launcher must be a kill of its process group.
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

PR_SET_PDEATHSIG = 1
STOP_GRACE_SECONDS = 2.0

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Spawner:
    """Starts processes from one thread that lives as long as the launcher, and ends them."""

    def __init__(self):
        self._orders: queue.Queue = queue.Queue()
        self._children: list[subprocess.Popen] = []
        threading.Thread(target=self._serve, name="lambda-spawner", daemon=True).start()

    def popen(self, *args, **kwargs) -> subprocess.Popen:
        """`subprocess.Popen`, run in the spawner's thread."""
        started: Future = Future()
        self._orders.put((started, args, kwargs))
        return started.result()

    def stop(self) -> None:
        """Ask every process that still runs to end, then make it."""
        running = [child for child in self._children if child.poll() is None]
        for child in running:
            child.terminate()
        deadline = time.monotonic() + STOP_GRACE_SECONDS
        for child in running:
            try:
                child.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()

    def _serve(self) -> None:
        launcher = os.getpid()

        def die_with_launcher():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != launcher:
                os._exit(1)  # it died before the signal was set

        while True:
            started, args, kwargs = self._orders.get()
            try:
                child = subprocess.Popen(*args, preexec_fn=die_with_launcher if _libc else None, **kwargs)
            except BaseException as error:  # the caller waits for it
                started.set_exception(error)
                continue
            self._children = [known for known in self._children if known.poll() is None] + [child]
            started.set_result(child)


class _Subprocess:
    """The `subprocess` module with another `Popen`."""

    def __init__(self, popen):
        self.Popen = popen

    def __getattr__(self, name):
        return getattr(subprocess, name)


def install() -> Spawner:
    """Start Lambda processes through a `Spawner`, which is returned so that the launcher can stop them."""
    spawner = Spawner()
    replacement = _Subprocess(spawner.popen)
    lambda_runtime.subprocess = replacement
    lambda_svc.subprocess = replacement
    return spawner
