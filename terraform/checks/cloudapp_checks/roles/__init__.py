"""Each role asked: what its part needs is allowed; at least ten things that it must not do are refused.

Needs are what the programs really call (services/, lambdas/, web/); every call carries the context that AWS would give.
"""

from ..evaluator import Decision, Request, decide, decide_all, denied_by_key
from ..plan import Plan
from . import functions, platform, services
from .names import OTHERS, Call, Names, names


def everybody_is_refused(n: Names) -> list[Call]:
    """What no part may do."""
    single = [
        Request("iam:CreateUser", f"arn:aws:iam::{n.account}:user/x"),
        Request("iam:AttachRolePolicy", f"arn:aws:iam::{n.account}:role/cloudapp-web-task"),
        Request("iam:PassRole", f"arn:aws:iam::{n.account}:role/admin", {"iam:PassedToService": "ec2.amazonaws.com"}),
        Request("sts:AssumeRole", f"arn:aws:iam::{n.account}:role/cloudapp-provision-instance"),
        Request("kms:ScheduleKeyDeletion", n.keys["ssh_ca"]),
        Request("kms:Decrypt", n.keys["database"]),
        Request("s3:DeleteObject", n.bucket("events", "instance_events/tier=live/dt=2026-01-01/x.parquet")),
        Request("s3:PutBucketPolicy", n.bucket("events")),
        Request("s3:GetObject", n.bucket("trail", "AWSLogs/x")),
        Request("cloudtrail:StopLogging", n.of("cloudtrail", "trail/cloudapp")),
        Request("ec2:TerminateInstances", n.of("ec2", "instance/i-1")),
        Request("ec2:TerminateInstances", n.of("ec2", "instance/i-1"), OTHERS),
        Request("ec2:AuthorizeSecurityGroupIngress", n.of("ec2", f"security-group/{n.group}")),
        Request("rds-db:connect", n.database_user("cloudapp_admin")),
        Request("rds:DeleteDBCluster", n.of("rds", "cluster:cloudapp")),
        Request("sqs:PurgeQueue", n.of("sqs", "cloudapp-login")),
        Request("logs:DeleteLogGroup", n.of("logs", "log-group:/cloudapp/eks")),
        Request("cognito-idp:AdminSetUserPassword", n.pool),
    ]
    return [[request] for request in single]


def table(n: Names) -> dict[str, tuple[list[Call], list[Call]]]:
    """Role to what it needs and what it must not do, beside what nobody may do."""
    return {**services.cases(n), **functions.cases(n), **platform.cases(n)}


def documents_of(plan: Plan) -> dict[str, list[dict]]:
    """Role to its inline policies; a role of ours that is asked about has no others."""
    documents: dict[str, list[dict]] = {}
    for found in plan.of("aws_iam_role_policy"):
        documents.setdefault(found.get("role"), []).append(found.json("policy"))
    return documents


def judge(plan: Plan, values: dict, example: str) -> tuple[list[str], int, int]:
    """Wrong answers, and how many right ones: allowed, refused."""
    n = names(plan, values, example)
    documents, asked, wrong, allowed, refused = documents_of(plan), table(n), [], 0, 0
    # EC2's flow logs, CloudTrail and EKS itself use these; no program of ours runs under them.
    unasked = set(documents) - set(asked) - {"cloudapp-vpc-flows", "cloudapp-trail"}
    wrong += [f"{role}: nobody asks what it may do; add it to cloudapp_checks/roles/" for role in sorted(unasked)]
    for role, (needs, must_not) in asked.items():
        if role not in documents:
            wrong.append(f"{role}: is not there")
            continue
        for call in needs:
            decision = decide_all(documents[role], call)
            allowed += decision is Decision.ALLOWED
            if decision is not Decision.ALLOWED:
                missing = next(request for request in call if decide(documents[role], request) is not Decision.ALLOWED)
                wrong.append(f"{role} needs {missing.action} on {missing.resource} with {missing.context}: {decision.value}")
        refusals = must_not + everybody_is_refused(n)
        if len(must_not) < 10:
            wrong.append(f"{role}: only {len(must_not)} refusals of its own are asked; ten are wanted")
        for call in refusals:
            decision = decide_all(documents[role], call)
            refused += decision is not Decision.ALLOWED
            if decision is Decision.ALLOWED:
                wrong.append(f"{role} may {call[0].action} on {call[0].resource} with {call[0].context}, and must not")
    return wrong + _authority(plan, n), allowed, refused


def _authority(plan: Plan, n: Names) -> list[str]:
    """The certificate authority's own policy holds against administrators, too."""
    policy = next(key.json("policy") for key in plan.of("aws_kms_key") if key.get("arn") == n.keys["ssh_ca"])
    role = f"arn:aws:iam::{n.account}:role/"
    wrong = [
        f"{who} may sign login certificates"
        for who in ("admin", "cloudapp-configure-instance", "cloudapp-web-task", "cloudapp-operate")
        if not denied_by_key(policy, "kms:Sign", role + who)
    ]
    if denied_by_key(policy, "kms:Sign", role + "cloudapp-provision-instance"):
        wrong.append("provision-instance cannot sign login certificates")
    return wrong
