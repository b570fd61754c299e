"""What MiniStack cannot judge, each with its reason: the gap between it and IAM, in one place.

Three ways to be blind: a request is not asked for at all, is judged on another resource than on AWS, or without a key of
its context. The last two matter only to a role with a statement that could decide by what is lost; of all others such a
request is asked, and MiniStack's answer counts. `judge.py` tries in every run that the lists are true.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..evaluator import Request, matches
from ..plan import as_list, statements
from .calls import rest


@dataclass(frozen=True)
class Gap:
    """Requests that MiniStack cannot judge; `seen` is the resource that it sees instead, None if nothing is asked."""

    reason: str
    actions: tuple[str, ...]
    seen: Callable[[str], str] | None = None
    resources: tuple[str, ...] = ("*",)

    def covers(self, request: Request) -> bool:
        """Whether it speaks of a request."""
        return any(matches(one, request.action) for one in self.actions) and any(
            matches(one, request.resource) for one in self.resources
        )


def _anything(_: str) -> str:
    return "*"


def _ours(arn: str) -> str:
    """The ARN with our account in it: the one of the emulator that Terraform was applied to."""
    parts = arn.split(":", 5)
    return ":".join([*parts[:4], "123456789012", parts[5]])


def _log_group(arn: str) -> str:
    return arn.partition(":log-stream:")[0]


def _database(arn: str) -> str:
    table = rest(arn).split("/")
    return ":".join([*arn.split(":")[:5], f"database/{table[1] if len(table) > 1 else 'cloudapp'}"])


UNASKED = [
    Gap("signing in to Aurora is no call to an API, and MiniStack runs no Aurora", ("rds-db:connect",)),
    Gap("no call of its own: AWS asks it beside a call that hands a role over, MiniStack does not", ("iam:PassRole",)),
    Gap("MiniStack has no X-Ray", ("xray:*",)),
    Gap("MiniStack has no Shield", ("shield:*",)),
    Gap(
        "a launch is judged on one resource that the call names: type, metadata options, volumes and tags are not looked at",
        ("ec2:RunInstances",),
        resources=("*:instance/*", "*:volume/*", "*:network-interface/*"),
    ),
]
ELSEWHERE = [
    Gap("judged without a resource: a query is in no workgroup", ("athena:Get*", "athena:StopQueryExecution"), _anything),
    Gap("judged without a resource: of several alarms none is read", ("cloudwatch:DeleteAlarms",), _anything),
    Gap("judged without a resource: what is tagged is not read from the call", ("ec2:*Tags", "*:AddTags"), _anything),
    Gap("judged without a resource: what is to be made has none", ("*:CreateLoadBalancer", "*:CreateTargetGroup"), _anything),
    Gap("judged without a resource: the rule is not read from the call", ("*:ModifyRule",), _anything),
    Gap("judged without a resource: the role is not made of the service's name", ("iam:CreateServiceLinkedRole",), _anything),
    Gap("judged without a resource: of several parameters none is read", ("ssm:GetParameters",), _anything),
    Gap("judged without a resource: the load balancer is not read from the call", ("wafv2:AssociateWebACL",), _anything),
    Gap("judged on the log group, not on its stream", ("logs:*LogEvents", "logs:CreateLogStream"), _log_group),
    Gap("judged on the database, not on the table", ("glue:*Table",), _database),
    Gap("judged on a table of the database's name", ("glue:GetDatabase",), lambda arn: arn.replace(":database/", ":table/")),
    Gap("judged as an image of our own: a public one has no account in its name", ("ec2:RunInstances",), _ours, ("*:image/*",)),
    Gap("judged as a repository of our own account", ("ecr:*",), _ours, ("*:210987654321:*", "*:602401143452:*")),
]
UNSUPPLIED = {
    "aws:RequestTag/*": "tags that a call to ELB sets are not read from it",
    "aws:ResourceTag/*": "tags of EC2 and load balancers are not looked up",
    "cloudwatch:namespace": "not read from the call",
    "ec2:CreateAction": "tags at launch are not asked for as CreateTags",
    "ec2:Owner": "an image's owner is not looked up",
    "elasticloadbalancing:CreateAction": "tags at creation are not asked for as AddTags",
    "iam:AWSServiceName": "the service's name is not read from the call",
    "kms:MessageType": "not read from the call",
    "kms:SigningAlgorithm": "not read from the call",
    "kms:ViaService": "services do not ask KMS for their callers",
    "lambda:SourceFunctionArn": "only a function's own credentials carry it",
}
SUPPLIED = ("aws:RequestedRegion", "aws:TagKeys", "s3:prefix")


@dataclass(frozen=True)
class Sight:
    """A request as MiniStack sees it, and what it does not see of it."""

    request: Request
    elsewhere: Gap | None
    lost: tuple[str, ...]

    def blinded(self, documents: list[dict]) -> str | None:
        """Why MiniStack cannot judge it for a role with these policies; None if what is lost decides nothing."""
        speaking = [
            one
            for document in documents
            for one in statements(document)
            if any(matches(action, self.request.action, ignore_case=True) for action in as_list(one["Action"]))
        ]
        if self.elsewhere and speaking:
            return self.elsewhere.reason
        for one in speaking:
            read = {key.lower() for keys in one.get("Condition", {}).values() for key in keys}
            decisive = [key for key in self.lost if key.lower() in read]
            if decisive and any(matches(resource, self.request.resource) for resource in as_list(one["Resource"])):
                return f"{decisive[0]}: {UNSUPPLIED[_key(UNSUPPLIED, decisive[0])]}"
        return None


class Unlisted(Exception):
    """A key of a context of which nobody said whether MiniStack supplies it."""


def unasked(request: Request) -> str | None:
    """Why a request is not asked for at all."""
    return next((gap.reason for gap in UNASKED if gap.covers(request)), None)


def sight(request: Request) -> Sight:
    """How MiniStack sees a request."""
    elsewhere = next((gap for gap in ELSEWHERE if gap.covers(request)), None)
    lost = tuple(key for key in request.context if _key(UNSUPPLIED, key))
    for key in request.context:
        if key not in lost and not _key(SUPPLIED, key):
            raise Unlisted(f"{key} of {request.action}: say in enforced/blind.py whether MiniStack supplies it")
    resource = elsewhere.seen(request.resource) if elsewhere else request.resource
    context = {key: value for key, value in request.context.items() if key not in lost}
    return Sight(Request(request.action, resource, context), elsewhere, lost)


def _key(patterns, key: str) -> str | None:
    return next((pattern for pattern in patterns if matches(pattern, key)), None)
