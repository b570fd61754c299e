"""A copy of the Terraform to run `terraform test` on: it can be changed, and nothing of the repository is."""

import json
import shutil
import subprocess
from pathlib import Path

TERRAFORM = Path(__file__).resolve().parents[2]

# What `terraform test` says of the code that it tests. Anything else (a provider that does not start on a busy machine,
# code that is no Terraform) is no finding.
FINDINGS = ("Test assertion failed", "Missing expected failure", "Invalid value for variable")


class NotTested(Exception):
    """`terraform test` did not come to its end."""


def replace_once(path: Path, right: str, wrong: str) -> None:
    """A piece of text that is in the file once becomes another."""
    text = path.read_text(encoding="utf-8")
    if text.count(right) != 1:
        raise SystemExit(f"{path.parent.name}/{path.name} has {text.count(right)} times: {right}")
    path.write_text(text.replace(right, wrong), encoding="utf-8")


def copied(folder: Path) -> Path:
    """The copy, and what the tests of the composition want beside it."""
    copy = folder / "terraform"
    shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform", "checks"))
    (folder / "observability").mkdir()
    shutil.copy(TERRAFORM.parent / "observability" / "alarms.json", folder / "observability")
    (copy / "lambdas").mkdir()
    for name in ("auth", "login-poller", "stop-ec2"):
        shutil.copy(copy / "tests" / "function.zip", copy / "lambdas" / f"{name}.zip")
    return copy


def initialised(copy: Path, tests: str) -> None:
    """The copy, ready for the tests in a folder."""
    init = ["terraform", "init", "-backend=false", "-input=false", "-lockfile=readonly", "-no-color"]
    done = subprocess.run([*init, f"-test-directory={tests}"], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotTested(f"terraform init: {done.stderr}")


def without_ephemeral(copy: Path) -> None:
    """Terraform 1.11's mocks know no ephemeral resources, overridden or not: the session key gets a word instead of one.
    `session_key.py` is about the real one."""
    main = copy / "modules" / "session-key" / "main.tf"
    text = main.read_text(encoding="utf-8")
    block = text[text.index("ephemeral ") : text.index("\n}\n", text.index("ephemeral ")) + 3]
    replace_once(main, block, "")
    replace_once(main, "ephemeral.aws_secretsmanager_random_password.this.random_password", '"mocked"')


def tested(copy: Path, *arguments: str, tries: int = 3) -> tuple[list[str], dict[str, dict]]:
    """What `terraform test` finds wrong, and its plans by the name of the run. A run that does not come to its end
    for no fault of the code is repeated."""
    ran = subprocess.run(["terraform", "test", "-json", *arguments], cwd=copy, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    errors = [line["diagnostic"] for line in lines if line.get("type") == "diagnostic"]
    errors = [one for one in errors if one["severity"] == "error"]
    broken = [one for one in errors if one["summary"] not in FINDINGS]
    if lines and not broken:
        plans = {line["@testrun"]: line["test_plan"] for line in lines if line.get("type") == "test_plan"}
        return [f"{one['summary']}: {one.get('detail', '')}" for one in errors], plans
    if tries > 1 and not any("range" in one for one in broken):
        return tested(copy, *arguments, tries=tries - 1)
    raise NotTested(f"terraform test did not come to its end: {broken or ran.stderr}")
