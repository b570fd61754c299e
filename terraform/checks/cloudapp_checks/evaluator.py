"""A small evaluator of IAM policies: identity policies of one account, with conditions.

It knows what CloudApp's own policies use and refuses the rest, so that nothing counts as allowed or refused by being
misunderstood. Not modelled: session policies, organisations, permissions boundaries; resource policies are evaluated
by `allowed_by_key` for KMS only.
"""

import re
from dataclasses import dataclass, field
from enum import Enum

from .plan import as_list, statements


class Decision(Enum):
    """What IAM answers."""

    ALLOWED = "allowed"
    DENIED = "denied by a statement"
    NOT_ALLOWED = "allowed by nothing"


class UnknownCondition(Exception):
    """A condition that this evaluator does not know."""


@dataclass(frozen=True)
class Request:
    """One call: what, on what, and what IAM would know of it. Context keys are compared without regard to case."""

    action: str
    resource: str
    context: dict = field(default_factory=dict)


def matches(pattern: str, value: str, ignore_case: bool = False) -> bool:
    """Whether a value matches a pattern with `*` and `?`."""
    translated = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(translated, value, re.IGNORECASE | re.DOTALL if ignore_case else re.DOTALL) is not None


def arn_matches(pattern: str, value: str) -> bool:
    """Each of an ARN's six parts by itself: a `*` does not reach over a colon."""
    patterns, values = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(values) == 6 and all(map(matches, patterns, values))


def _number(compare):
    return lambda wanted, actual: compare(float(actual), float(wanted))


OPERATORS = {
    "StringEquals": lambda wanted, actual: wanted == actual,
    "StringLike": matches,
    "ArnEquals": arn_matches,
    "ArnLike": arn_matches,
    "Bool": lambda wanted, actual: wanted.lower() == actual.lower(),
    "NumericEquals": _number(lambda a, b: a == b),
    "NumericLessThanEquals": _number(lambda a, b: a <= b),
}
# With several values, a negated operator wants all of them to differ; a missing key differs from everything.
NEGATED = {"StringNotEquals": "StringEquals", "ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike"}


def condition_holds(operator: str, key: str, wanted: list[str], context: dict[str, list[str]]) -> bool:
    """One operator on one key."""
    values = context.get(key.lower())
    if operator == "Null":
        return (values is None) == (wanted[0].lower() == "true")
    prefix, _, plain = operator.rpartition(":")
    if plain.endswith("IfExists"):
        if values is None:
            return True
        plain = plain.removesuffix("IfExists")
    if plain in NEGATED:
        positive = OPERATORS[NEGATED[plain]]
        return values is None or not any(positive(one, value) for one in wanted for value in values)
    if plain not in OPERATORS:
        raise UnknownCondition(operator)
    test = OPERATORS[plain]
    if prefix == "ForAllValues":
        return all(any(test(one, value) for one in wanted) for value in values or [])
    if prefix not in ("", "ForAnyValue"):
        raise UnknownCondition(operator)
    return any(test(one, value) for one in wanted for value in values or [])


def applies(statement: dict, request: Request) -> bool:
    """Whether a statement speaks of a request."""
    unknown = set(statement) - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}
    if unknown:
        raise UnknownCondition(f"a statement with {', '.join(sorted(unknown))}")
    if not any(matches(action, request.action, ignore_case=True) for action in as_list(statement["Action"])):
        return False
    if not any(matches(resource, request.resource) for resource in as_list(statement["Resource"])):
        return False
    context = {key.lower(): [str(value) for value in as_list(values)] for key, values in request.context.items()}
    return all(
        condition_holds(operator, key, [str(value) for value in as_list(wanted)], context)
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def decide(documents: list[dict], request: Request) -> Decision:
    """What a principal's own policies say: a deny wins, and what nothing allows is not allowed."""
    speaking = [statement for document in documents for statement in statements(document) if applies(statement, request)]
    if any(statement["Effect"] == "Deny" for statement in speaking):
        return Decision.DENIED
    return Decision.ALLOWED if speaking else Decision.NOT_ALLOWED


def decide_all(documents: list[dict], requests: list[Request]) -> Decision:
    """A call that is checked against several resources needs all of them."""
    decisions = [decide(documents, request) for request in requests]
    for worst in (Decision.DENIED, Decision.NOT_ALLOWED):
        if worst in decisions:
            return worst
    return Decision.ALLOWED


def denied_by_key(key_policy: dict, action: str, principal_arn: str) -> bool:
    """Whether a KMS key's own policy denies an action to a role of this account, whatever IAM says."""
    request = Request(action, "*", {"aws:PrincipalArn": principal_arn})
    return any(
        statement["Effect"] == "Deny" and applies({**statement, "Resource": "*"}, request) for statement in statements(key_policy)
    )
