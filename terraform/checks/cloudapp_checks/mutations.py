"""Breaks the modules that security hangs on, a line at a time, and has `terraform test` notice each.

    python3 -m cloudapp_checks.mutations        (terraform/checks/test --mutations sets everything up)

An assertion that no mistake can make fail proves nothing. Each mutation is one mistake that somebody could make in a
module, and the sentence of the assertion that must fail for it. Many are made at once in one copy of the modules, never two
for the same sentence: then exactly their sentences must be said, and no others."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TERRAFORM = Path(__file__).resolve().parents[2]


# What an assertion, or the validation of a variable that was to refuse something, has to say.
FINDINGS = ("Test assertion failed", "Missing expected failure")


@dataclass(frozen=True)
class Mutation:
    """One mistake: in the file of a module, a piece of text that is there once becomes another."""

    module: str
    right: str
    wrong: str
    noticed: str
    file: str = "main.tf"

    def make(self, modules: Path) -> None:
        path = modules / self.module / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.right) != 1:
            raise SystemExit(f"{self.module}/{self.file} has {text.count(self.right)} times: {self.right}")
        path.write_text(text.replace(self.right, self.wrong), encoding="utf-8")


MUTATIONS = [
    # Whoever may be a service account, and whoever may be given a role.
    Mutation("service-account", "${var.namespace}:${var.service_account}\"", "${var.namespace}:*\"",
             "one service account of one namespace, with the audience checked"),
    Mutation("service-account", "\"sts.amazonaws.com\"", "\"*\"",
             "one service account of one namespace, with the audience checked"),
    Mutation("service-account", "^[a-z][a-z0-9-]*$", "^.*$", "var.service_account", "variables.tf"),
    # What may be launched, by whom, and what may be done to it.
    Mutation("machines", "\"ec2:MetadataHttpTokens\" = \"required\"", "\"ec2:MetadataHttpTokens\" = \"optional\"",
             "only marked machines of allowed types, with IMDSv2 and one hop"),
    Mutation("machines", "\"ec2:InstanceType\" = var.instance_types", "\"ec2:InstanceType\" = [\"*\"]",
             "only marked machines of allowed types, with IMDSv2 and one hop"),
    Mutation("machines", "\"ec2:Encrypted\" = \"true\"", "\"ec2:Encrypted\" = \"false\"", "only encrypted disks"),
    Mutation("machines", "Resource = [for id in var.subnet_ids : \"${local.ec2}:subnet/${id}\"]",
             "Resource = [\"${local.ec2}:subnet/*\"]", "only in the machines' subnets"),
    Mutation("machines", "concat([aws_security_group.this.id], var.further_security_group_ids)",
             "concat([\"*\"], var.further_security_group_ids)", "only in the machines' group"),
    Mutation("machines", "\"ec2:Owner\" = concat(var.image_owners, [var.context.account_id])", "\"ec2:Owner\" = [\"*\"]",
             "only images of named owners and our own"),
    Mutation("machines", "Resource  = var.profile_role_arns", "Resource  = [\"*\"]", "only named roles are passed"),
    Mutation("machines", "managed = { StringEquals = { \"aws:ResourceTag/cloudapp:managed\" = \"true\" } }",
             "managed = { StringEquals = { \"aws:ResourceTag/cloudapp:managed\" = \"*\" } }",
             "only CloudApp's machines are stopped"),
    Mutation("machines", "{ \"ec2:CreateAction\" = \"RunInstances\" }", "{ \"ec2:CreateAction\" = \"*\" }",
             "marked at launch only; later nothing but the owner, on our own machines"),
    Mutation("machines", "\"ec2:DescribeInstances\", \"ec2:DescribeImages\"", "\"ec2:DescribeInstances\", \"ec2:StopInstances\"",
             "on everything it only looks"),
    Mutation("machines", "from_port         = 22", "from_port         = 0", "SSH only, from named addresses"),
    # Who may use a key.
    Mutation("keys", "enable_key_rotation     = true", "enable_key_rotation     = false", "every encryption key rotates"),
    Mutation("keys", "Action    = \"kms:Sign\"", "Action    = \"kms:Verify\"", "nobody but provision-instance signs"),
    Mutation("keys", "Condition = { StringEquals = { \"aws:SourceAccount\" = var.context.account_id } }\n  } }",
             "Condition = { StringEquals = { \"aws:SourceAccount\" = \"*\" } }\n  } }",
             "services use the key for this account only"),
    Mutation("keys", "\"ECC_NIST_P256\"", "\"ECC_NIST_P384\"", "the authority signs with P-256"),
    # Who may read what is kept.
    Mutation("bucket", "block_public_policy     = true", "block_public_policy     = false",
             "the bucket is closed in all four ways"),
    Mutation("bucket", "\"AES256\" : \"aws:kms\"", "\"AES256\" : \"AES256\"", "the bucket is encrypted with our key"),
    Mutation("bucket", "Effect    = \"Deny\"", "Effect    = \"Allow\"", "plain HTTP is refused"),
    Mutation("bucket", "status = \"Enabled\"\n  }\n}", "status = \"Suspended\"\n  }\n}",
             "what is deleted can be brought back"),
    # Who may send and read messages.
    Mutation("queue", "\"aws:SecureTransport\" = \"false\"", "\"aws:SecureTransport\" = \"true\"",
             "both queues refuse plain HTTP"),
    Mutation("queue", "{ \"aws:SourceArn\" = source.source_arn }", "{ \"aws:SourceArn\" = \"*\" }",
             "EventBridge sends for one rule only"),
    Mutation("queue", "retention_seconds\n  kms_master_key_id                 = var.key_arn\n  kms_data_key_reuse_period_seconds = 300\n}\n\nresource \"aws_sqs_queue\" \"this\"",
             "retention_seconds\n  kms_data_key_reuse_period_seconds = 300\n}\n\nresource \"aws_sqs_queue\" \"this\"",
             "both queues are encrypted"),
    Mutation("queue", "maxReceiveCount = var.max_receive_count", "maxReceiveCount = 1000",
             "what fails five times goes to the dead-letter queue"),
    # What a Lambda's own code may do.
    Mutation("function", "Effect    = \"Deny\"", "Effect    = \"Allow\"", "interfaces are for Lambda, not for the code"),
    Mutation("function", "kms_key_id        = var.logs_key_arn", "kms_key_id        = null",
             "a log group of its own, kept and encrypted"),
]


def rounds() -> list[list[Mutation]]:
    """The mutations, one for each sentence at a time."""
    made: list[list[Mutation]] = []
    for mutation in MUTATIONS:
        free = (one for one in made if all(other.noticed != mutation.noticed for other in one))
        found = next(free, None)
        if found is None:
            made.append([mutation])
        else:
            found.append(mutation)
    return made


def said(copy: Path, tries: int = 3) -> list[str]:
    """What `terraform test` finds wrong. A run that does not come to its end (a provider that does not start on a busy
    machine) has found nothing out, and is repeated."""
    tests = [f"-filter=tests/{name}.tftest.hcl" for name in ("access", "data")]
    ran = subprocess.run(["terraform", "test", "-json", *tests], cwd=copy, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
    errors = [line["diagnostic"] for line in lines if line.get("type") == "diagnostic"]
    errors = [one for one in errors if one["severity"] == "error"]
    broken = [one for one in errors if one["summary"] not in FINDINGS]
    if lines and not broken:
        return [f"{one['summary']}: {one.get('detail', '')}" for one in errors]
    if tries > 1:
        return said(copy, tries - 1)
    raise SystemExit(f"terraform test did not come to its end: {broken or ran.stderr}")


def main() -> None:
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "terraform"
        shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform", "checks", "examples"))
        init = ["terraform", "init", "-backend=false", "-input=false", "-lockfile=readonly", "-no-color"]
        subprocess.run(init, cwd=copy, check=True, stdout=subprocess.DEVNULL)
        if found := said(copy):
            raise SystemExit("\n".join(["the tests fail before anything is broken:", *found]))
        for number, mutations in enumerate(rounds(), 1):
            for mutation in mutations:
                mutation.make(copy / "modules")
            found = said(copy)
            for mutation in mutations:
                shutil.copy(TERRAFORM / "modules" / mutation.module / mutation.file, copy / "modules" / mutation.module)
                noticed = any(mutation.noticed in text for text in found)
                print(f"{number} {'noticed  ' if noticed else 'UNNOTICED'} {mutation.module}: {mutation.wrong!r}", flush=True)
                if not noticed:
                    failures.append(f"{mutation.module}: nothing notices {mutation.wrong!r}")
            for text in found:
                if not any(mutation.noticed in text for mutation in mutations):
                    failures.append(f"round {number}: unexpected: {text}")
    if failures:
        sys.exit("\n".join(failures))
    print(f"all {len(MUTATIONS)} mistakes are noticed, each by the assertion that is about it")


if __name__ == "__main__":
    main()
