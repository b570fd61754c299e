"""Start MiniStack with the patches: `python launcher.py [--exit-with-parent]`.

The environment it reads is described in `settings`. It runs in the foreground until SIGTERM or SIGINT and then
writes its state and ends its Lambda processes. With `--exit-with-parent` it also stops when its standard input
reaches the end, which happens when the process holding the other end of the pipe dies, however it dies; and it
leads its own process group then, so that a terminal's Ctrl-C reaches only its parent.
"""

import argparse
import asyncio
import os
import signal
import sys
import threading

from .settings import SettingsError, prepare_environment

# How long a stop waits for requests in flight, such as a long poll that nobody will answer.
GRACE_SECONDS = 1.0


def main() -> int:
    """Run the local AWS; returns the exit code."""
    parser = argparse.ArgumentParser(description="AWS on this machine, for CloudApp")
    parser.add_argument("--exit-with-parent", action="store_true", help="stop when standard input ends")
    arguments = parser.parse_args()
    os.umask(0o077)  # the state holds passwords and private keys
    try:
        prepare_environment(os.environ)
    except SettingsError as error:
        print(f"local-aws: {error}", file=sys.stderr)
        return 2
    if arguments.exit_with_parent and os.getpgrp() != os.getpid():
        os.setpgid(0, 0)

    # MiniStack reads its settings when it is imported, so these come after the environment is ready.
    from . import (athena, checkpoint, cognito_access, cognito_challenges, cognito_issue, cognito_totp,
                   lambda_logs, lambda_processes, mail, sqs_urls)
    from .gateway import Gateway

    spawner = lambda_processes.install()
    checkpointer = checkpoint.install()
    # Each wraps the one before: the checks of tokens run first, the trigger errors are turned into answers last.
    for patch in (cognito_access, cognito_challenges, cognito_totp, cognito_issue, mail, sqs_urls, athena,
                  lambda_logs):
        patch.install()
    try:
        asyncio.run(_serve(Gateway(checkpointer), checkpointer, arguments.exit_with_parent))
    except OSError as error:
        print(f"local-aws: cannot listen on {os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}: {error}",
              file=sys.stderr)
        return 1
    finally:
        spawner.stop()
    sys.stdout.flush()
    os._exit(0)  # MiniStack's pollers and worker threads would keep the interpreter waiting


async def _serve(gateway, checkpointer, exit_with_parent: bool) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for stopping in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stopping, stop.set)
    if exit_with_parent:
        threading.Thread(target=_watch_parent, args=(loop, stop), name="parent-watch", daemon=True).start()

    async def stop_requested():
        await stop.wait()
        await asyncio.to_thread(checkpointer.flush)  # before the wait for requests in flight

    config = Config()
    config.bind = [f"{os.environ['BIND_HOST']}:{os.environ['GATEWAY_PORT']}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = GRACE_SECONDS
    config.loglevel = os.environ["LOG_LEVEL"].upper()
    await serve(gateway, config, shutdown_trigger=stop_requested)


def _watch_parent(loop, stop) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    loop.call_soon_threadsafe(stop.set)


if __name__ == "__main__":
    raise SystemExit(main())
