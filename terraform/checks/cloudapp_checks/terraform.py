"""Terraform as a program: one working directory, one environment, a time limit on every call."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


class TerraformFailed(Exception):
    """Terraform ended with an error, or not in time."""


class Terraform:
    """A root module in its folder."""

    def __init__(self, folder: Path, environment: dict[str, str], log: Path):
        self.folder = folder
        self.environment = environment
        self.log = log

    def run(self, *arguments: str, seconds: int, accept: tuple[int, ...] = (0,)) -> tuple[int, str]:
        """Runs a command; its exit code and standard output. Raises `TerraformFailed` with the end of what it said."""
        started = time.monotonic()
        print(f"terraform {' '.join(arguments)[:100]} …", end=" ", flush=True)
        try:
            done = subprocess.run(
                ["terraform", *arguments],
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            # Terraform's own children end with it; a lock it held is cleared with the emulator.
            raise TerraformFailed(f"terraform {arguments[0]} was not done after {seconds} s") from late
        print(f"{time.monotonic() - started:.0f} s", flush=True)
        with self.log.open("a") as log:
            log.write(f"\n===== terraform {' '.join(arguments)}\n{done.stdout[-200_000:]}\n{done.stderr}\n")
        if done.returncode not in accept:
            raise TerraformFailed(
                f"terraform {arguments[0]} ended with {done.returncode}:\n{done.stderr[-6000:] or done.stdout[-6000:]}"
            )
        return done.returncode, done.stdout

    def show(self, what: str | None = None) -> dict:
        """A saved plan, or the state."""
        return json.loads(self.run("show", "-json", *([what] if what else []), seconds=180)[1])

    def output(self, name: str):
        """An output's value."""
        return json.loads(self.run("output", "-json", name, seconds=60)[1])


def require_terraform() -> None:
    """Ends with a sentence if Terraform is not there or too old."""
    try:
        found = subprocess.run(["terraform", "version", "-json"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        sys.exit("terraform is not there: install Terraform 1.11 or newer (https://developer.hashicorp.com/terraform/install)")
    version = json.loads(found)["terraform_version"]
    if tuple(int(part) for part in version.split("-")[0].split(".")[:2]) < (1, 11):
        sys.exit(f"terraform is {version}; 1.11 or newer is needed: write-only attributes and S3 lock files")


def environment(endpoint: str) -> dict[str, str]:
    """The process's own environment without any real credentials, pointed at an emulator."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_VAR_"))}
    configuration = kept.get("TF_CLI_CONFIG_FILE")
    if configuration and not Path(configuration).exists():
        del kept["TF_CLI_CONFIG_FILE"]
    mirror = kept.get("CLOUDAPP_TERRAFORM_MIRROR")
    if mirror:
        kept["TF_CLI_CONFIG_FILE"] = str(_mirror_configuration(Path(mirror)))
    return {
        **kept,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "2",
        "TF_IN_AUTOMATION": "1",
        "TF_INPUT": "0",
        "CHECKPOINT_DISABLE": "1",
        "TF_CLI_ARGS": "-no-color",
    }


def _mirror_configuration(mirror: Path) -> Path:
    """A Terraform CLI configuration for a folder with the provider, for machines that reach no registry."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cloudapp"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "terraform-mirror.tfrc"
    file.write_text(
        "disable_checkpoint = true\nprovider_installation {\n  filesystem_mirror {\n"
        f"    path = {json.dumps(str(mirror))}\n  }}\n}}\n"
    )
    return file
