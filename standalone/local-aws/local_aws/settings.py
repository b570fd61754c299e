"""The environment the launcher reads, with its defaults.

MiniStack reads its own settings when its modules are imported, so the defaults must be in the environment
before the first import of `ministack`.

| variable | default | meaning |
|---|---|---|
| `BIND_HOST` | `127.0.0.1` | address to listen on; anything but loopback is refused |
| `GATEWAY_PORT` | `4566` | port to listen on |
| `STATE_DIR` | `./.local-aws` | where the state lives, made with mode 0700 |
| `S3_DATA_DIR` | `$STATE_DIR/s3` | where S3 objects live |
| `LAMBDA_LOG_DIR` | unset | when set, each Lambda's output is also appended to `<function>.log` there |
| `COGNITO_TOTP_SINGLE_USE` | `1` | `0` lets a TOTP code be used again within its window, which AWS refuses |
| `LOG_LEVEL` | `WARNING` | MiniStack's log level |
"""

import os

LOOPBACK = ("127.0.0.1", "localhost", "::1")

DEFAULTS = {
    "BIND_HOST": "127.0.0.1",
    "GATEWAY_PORT": "4566",
    "LOG_LEVEL": "WARNING",
    # One process, no listener but the gateway.
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
    "LAMBDA_EXECUTOR": "local",
    "ATHENA_ENGINE": "duckdb",
    "PERSIST_STATE": "1",
    "S3_PERSIST": "1",
    # A Docker daemon on the machine is none of our business.
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",
}


class SettingsError(Exception):
    """The environment asks for something the launcher will not do."""


def prepare_environment(env) -> None:
    """Fill in defaults and refuse to listen beyond loopback. Changes `env` in place.

    Raises `SettingsError` for a `BIND_HOST` that is not a loopback address.
    """
    for name, value in DEFAULTS.items():
        env.setdefault(name, value)
    if env["BIND_HOST"] not in LOOPBACK:
        raise SettingsError(f"BIND_HOST={env['BIND_HOST']}: the local AWS checks no credentials, "
                            "so it listens on loopback only")
    env["STATE_DIR"] = os.path.abspath(env.get("STATE_DIR") or ".local-aws")
    env.setdefault("S3_DATA_DIR", os.path.join(env["STATE_DIR"], "s3"))
    env.setdefault("AWS_ENDPOINT_URL", f"http://{env['BIND_HOST']}:{env['GATEWAY_PORT']}")
    for directory in (env["STATE_DIR"], env["S3_DATA_DIR"]):
        os.makedirs(directory, mode=0o700, exist_ok=True)


def totp_single_use(env) -> bool:
    """Whether a TOTP code is refused the second time, as AWS does."""
    return env.get("COGNITO_TOTP_SINGLE_USE", "1") != "0"
