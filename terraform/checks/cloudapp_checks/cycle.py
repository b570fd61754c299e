"""The real thing: an example, applied by the real provider to an emulator, looked at, and destroyed.

    apply [--example minimal] [--run [--programs FOLDER]] [--hold FILE] [--record] [--work FOLDER]

1. init with the S3 backend and its lock; plan; apply
2. the internal load balancer is made as the chart's Ingress would make it; the second apply adds the alias
3. a further plan must be empty but for `drift.json`
4. policies over the state, and each policy over a broken copy (of production's: they want its protection); every role
   asked what it may do, by the evaluator and by a MiniStack that enforces IAM, see `enforced/`
5. boto3 looks at what exists
6. with `--run`: CloudApp's own programs run on it, see `running/`
7. torn down in the documented order, until nothing is left

`--hold FILE` writes the outputs to FILE after 6 and waits for SIGINT or SIGTERM, so that more can be run on what
Terraform made (`checks/run FILE` does 6). `--record` keeps the state for the checks' own tests (`tests/recorded-state.json.gz`).
"""

import argparse
import contextlib
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from botocore.exceptions import ClientError

from . import drift, existing, roles
from .emulated import Aws
from .hold import hold
from .plan import Plan
from .policies import run_all
from .policies.breakers import toothless
from .ports import free_port
from .running import judge as running
from .running.expect import NotSo
from .serving import NotServing, serving
from .terraform import Terraform, TerraformFailed, environment, require_terraform

TERRAFORM = Path(__file__).resolve().parents[2]
LOCAL_AWS_REQUIREMENTS = TERRAFORM.parent / "standalone" / "local-aws" / "requirements.txt"
DOMAIN = "cloudapp.example.com"
RECORDED = Path(__file__).resolve().parents[1] / "tests" / "recorded-state.json.gz"
STATE_BUCKET = "cloudapp-terraform-state"
PRODUCTION = "production"


class Failed(Exception):
    """Something is not as it must be."""


@contextlib.contextmanager
def emulator(work: Path):
    """The emulator on a free port; its endpoint and log. It ends with the block."""
    port = free_port()
    endpoint, log = f"http://127.0.0.1:{port}", work / "emulator.log"
    with serving(
        [sys.executable, "-m", "cloudapp_checks.emulator", str(port)],
        f"{endpoint}/moto-api/data.json",
        log,
        cwd=Path(__file__).resolve().parents[1],
        start_new_session=True,
        env={**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
    ):
        yield endpoint, log


def prepare(aws: Aws, work: Path, example: str) -> tuple[Path, list[str]]:
    """A copy of the tree, what is there before the first apply, and the example's variables."""
    tree = work / "terraform"
    shutil.copytree(TERRAFORM, tree, ignore=shutil.ignore_patterns(".terraform", "checks", "*.tfstate*"))
    packages = work / "lambdas"
    packages.mkdir()
    for name in ("auth", "login-poller", "stop-ec2"):
        with zipfile.ZipFile(packages / f"{name}.zip", "w") as package:
            # Nobody runs it: this is about what surrounds the program.
            package.writestr("bootstrap", f"#!/bin/sh\n# {name}\n")
    aws("s3").create_bucket(Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    zone = aws("route53").create_hosted_zone(Name="example.com", CallerReference="check")["HostedZone"]["Id"]
    variables = {
        "region": "eu-west-1",
        "zones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        "domain": DOMAIN,
        "zone_id": zone.rsplit("/", 1)[-1],
        "image_tag": "1.0.0",
        "lambda_folder": str(packages),
        "alarms_file": os.environ.get("CLOUDAPP_ALARMS", str(TERRAFORM.parent / "observability" / "alarms.json")),
        "runbook_base_url": "https://runbooks.example.com",
        "admin_mail": ["admin@example.com"],
        "monthly_usd": 1500,
        "cluster_admins": {"operators": "arn:aws:iam::123456789012:role/operators"},
        "api_cidrs": ["203.0.113.0/24"],
        "ssh_cidrs": ["203.0.113.0/24"],
    }
    root = tree / "examples" / example
    # Against an emulator, a call that fails twice fails for good; without this the provider tries for minutes.
    (root / "emulator_override.tf").write_text(
        'provider "aws" {\n  max_retries = 2\n}\n\nprovider "aws" {\n  alias       = "us_east_1"\n  max_retries = 2\n}\n'
    )
    (root / "check.auto.tfvars.json").write_text(json.dumps(variables, indent=2))
    backend = {
        "bucket": STATE_BUCKET,
        "region": "eu-west-1",
        "skip_credentials_validation": "true",
        "skip_requesting_account_id": "true",
        "skip_metadata_api_check": "true",
        "use_path_style": "true",
    }
    return root, [f"-backend-config={name}={value}" for name, value in backend.items()]


def play_the_controller(aws: Aws, values: dict) -> str:
    """Makes the internal load balancer as the AWS Load Balancer Controller would from the chart's Ingress."""
    ingress = values["ingress"]
    return aws("elbv2").create_load_balancer(
        Name=ingress["loadBalancerName"],
        Scheme=ingress["scheme"],
        Type="application",
        Subnets=ingress["subnets"],
        SecurityGroups=ingress["securityGroups"],
        Tags=[{"Key": "elbv2.k8s.aws/cluster", "Value": values["aws"]["clusterName"]}],
    )["LoadBalancers"][0]["LoadBalancerArn"]


def refuses_while_locked(terraform: Terraform, aws: Aws) -> None:
    """A second Terraform must not get past the state's lock."""
    lock = "cloudapp/terraform.tfstate.tflock"
    aws("s3").put_object(
        Bucket=STATE_BUCKET,
        Key=lock,
        Body=json.dumps(
            {"ID": "somebody-else", "Operation": "OperationTypeApply", "Who": "somebody@else", "Version": "1.11.4", "Path": "x"}
        ).encode(),
    )
    try:
        terraform.run("plan", "-lock-timeout=0s", seconds=120)
    except TerraformFailed as refused:
        if "Error acquiring the state lock" not in str(refused):
            raise
    else:
        raise Failed("Terraform planned although somebody else holds the lock")
    finally:
        aws("s3").delete_object(Bucket=STATE_BUCKET, Key=lock)


def attempt(judge, *arguments) -> str | None:
    """Runs one judge; what it found, if anything."""
    try:
        judge(*arguments)
    except (Failed, TerraformFailed, existing.NotThere, NotSo, ClientError) as fault:
        print(f"FAULT in {judge.__name__}", flush=True)
        return str(fault)
    return None


def judge_drift(terraform: Terraform, example: str) -> None:
    """A plan after the apply: nothing but what is listed and, with production, for which the list was made, nothing listed
    that is no longer needed."""
    code, _ = terraform.run("plan", "-detailed-exitcode", "-out=second.tfplan", seconds=600, accept=(0, 2))
    plan = terraform.show("second.tfplan")
    (terraform.log.parent / "second-plan.json").write_text(json.dumps(plan))
    allowed = drift.read_allowed()
    faults, used = drift.unexplained(plan, allowed) if code == 2 else ([], set())
    if faults:
        raise Failed("a plan right after the apply is not empty:\n  " + "\n  ".join(faults))
    stale = sorted(set(allowed) - used)
    if stale and example == PRODUCTION:
        raise Failed("drift.json lists what no longer differs: " + ", ".join(stale))
    print(f"second plan: {len(used)} listed differences, nothing else")


def judge_policies(state: dict) -> None:
    """All policies over what exists, and each over a broken copy."""
    reports = run_all(Plan(state))
    findings = [str(finding) for report in reports for finding in report.findings]
    if findings:
        raise Failed(f"{len(findings)} findings of policies:\n  " + "\n  ".join(findings))
    weak = toothless(state)
    if weak:
        raise Failed("policies that do not notice what they are for:\n  " + "\n  ".join(weak))
    print(f"policies: {len(reports)} over {sum(report.examined for report in reports)} expectations, each bites")


def judge_roles(state: dict, values: dict, example: str) -> None:
    """Each role asked what it may do."""
    wrong, allowed, refused = roles.judge(Plan(state), values, example)
    if wrong:
        raise Failed(f"{len(wrong)} wrong answers about roles:\n  " + "\n  ".join(wrong))
    print(f"roles: {allowed} calls allowed as needed, {refused} refused as they must be")


def judge_enforced(state_file: Path, example: str) -> None:
    """The same, asked of a MiniStack, in the Python that has it."""
    tools = [TERRAFORM / "checks" / "tools", LOCAL_AWS_REQUIREMENTS]
    python = subprocess.run(tools, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    if not python:
        raise Failed("there is no Python with MiniStack; see above")
    try:
        asked = subprocess.run(
            [python, "-m", "cloudapp_checks.enforced", state_file, "--example", example],
            cwd=TERRAFORM / "checks",
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Failed("MiniStack was not done with the roles after ten minutes") from late
    if asked.returncode:
        raise Failed(f"{asked.stdout}{asked.stderr}")
    print(asked.stdout, end="")


def tear_down(terraform: Terraform, aws: Aws, balancer: str) -> None:
    """In the documented order: the Ingress first, then protection off, then everything."""
    aws("elbv2").delete_load_balancer(LoadBalancerArn=balancer)
    terraform.run("apply", "-auto-approve", "-var=protected=false", "-var=services_balancer_exists=false", seconds=900)
    terraform.run("destroy", "-auto-approve", "-var=protected=false", "-var=services_balancer_exists=false", seconds=1200)
    left = terraform.show().get("values")
    if left:
        raise Failed(f"the state still holds resources: {json.dumps(left)[:500]}")
    leftovers = existing.leftovers(aws, STATE_BUCKET)
    if leftovers:
        raise Failed("left behind: " + ", ".join(leftovers))
    print("destroyed to nothing")


def record(state: dict, work: Path, endpoint: str) -> None:
    """Keeps a state that all judges accepted, without what differs from run to run."""
    text = json.dumps(state).replace(str(work), "WORK").replace(endpoint, "http://emulator")
    # No time in the file: the same state gives the same bytes.
    RECORDED.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"recorded in {RECORDED.relative_to(TERRAFORM)}")


def judge_running(terraform: Terraform, aws: Aws, programs: Path, work: Path) -> None:
    """CloudApp itself on what was made."""
    running.judge(aws, held(terraform, aws.endpoint), programs, work / "running")


def held(terraform: Terraform, endpoint: str) -> dict:
    """What programs need to know that run on what was made: the endpoint and the outputs."""
    outputs = json.loads(terraform.run("output", "-json", seconds=60)[1])
    return {"endpoint": endpoint, "outputs": {name: one["value"] for name, one in outputs.items()}}


def cycle(example: str, work: Path, programs: Path | None, hold_file: Path | None, keep: bool) -> None:
    """All of it."""
    with emulator(work) as (endpoint, emulator_log):
        aws = Aws(endpoint)
        folder, backend = prepare(aws, work, example)
        terraform = Terraform(folder, environment(endpoint), work / "terraform.log")
        try:
            terraform.run("init", *backend, seconds=300)
            terraform.run("plan", "-out=first.tfplan", seconds=600)
            terraform.run("apply", "first.tfplan", seconds=1200)
            values = terraform.output("helm_values")
            balancer = play_the_controller(aws, values)
            terraform.run("apply", "-auto-approve", "-var=services_balancer_exists=true", seconds=900)
            terraform.environment["TF_VAR_services_balancer_exists"] = "true"
            state = terraform.show()
            (work / "state.json").write_text(json.dumps(state))
            # All of them, whatever the others say: a run takes minutes.
            faults = list(
                filter(
                    None,
                    (
                        attempt(judge_drift, terraform, example),
                        attempt(judge_policies, state) if example == PRODUCTION else None,
                        attempt(judge_roles, state, values, example),
                        attempt(judge_enforced, work / "state.json", example),
                        attempt(existing.judge, aws, values),
                        attempt(refuses_while_locked, terraform, aws),
                    ),
                )
            )
            if keep and not faults:
                record(state, work, endpoint)
            if programs:
                faults += filter(None, [attempt(judge_running, terraform, aws, programs, work)])
            if hold_file:
                hold(hold_file, held(terraform, endpoint))
            del terraform.environment["TF_VAR_services_balancer_exists"]
            faults += filter(None, [attempt(tear_down, terraform, aws, balancer)])
        finally:
            missing = sorted({line.strip() for line in emulator_log.read_text().splitlines() if "NotImplementedError" in line})
            if missing:
                print("the emulator was asked for what it does not have:\n  " + "\n  ".join(missing), file=sys.stderr)
        if faults:
            raise Failed("\n\n".join(faults))
        if missing:
            raise Failed("see above: add it to emulator.py, or leave the call out")


def main() -> None:
    """Runs the cycle; ends with 1 and one paragraph if something is wrong."""
    parser = argparse.ArgumentParser(prog="apply", description="Applies an example to an emulator and judges it.")
    parser.add_argument("--example", choices=(PRODUCTION, "minimal"), default=PRODUCTION, help="which one")
    parser.add_argument("--run", action="store_true", help="run CloudApp's own programs on what was made")
    parser.add_argument(
        "--programs", type=Path, metavar="FOLDER", default=running.PROGRAMS, help="where they are, if cargo put them elsewhere"
    )
    parser.add_argument("--hold", type=Path, metavar="FILE", help="write the outputs to FILE and wait before tearing down")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="a new folder for logs and state, kept; else a temporary one")
    parser.add_argument("--record", action="store_true", help="keep the state for the checks' own tests")
    arguments = parser.parse_args()
    if arguments.record and arguments.example != PRODUCTION:
        parser.error("the checks' own tests want the production example")
    require_terraform()
    work = arguments.work or Path(tempfile.mkdtemp(prefix="cloudapp-terraform-"))
    work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    try:
        programs = arguments.programs.resolve() if arguments.run else None
        cycle(arguments.example, work.resolve(), programs, arguments.hold, arguments.record)
    except (Failed, NotServing, TerraformFailed) as failure:
        sys.exit(f"\nFAILED after {time.monotonic() - started:.0f} s: {failure}\n\nlogs: {work}")
    print(f"all good in {time.monotonic() - started:.0f} s")
    if not arguments.work:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
