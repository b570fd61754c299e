"""Policies over a plan or a state: each looks at resources and says what is wrong with them.

A policy that looked at nothing is broken or out of date, so it counts as a finding. `breakers.py` shows that each
policy bites: for each there is a way to break a good plan that it must notice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..plan import Plan, Resource, UnknownValue

POLICIES: dict[str, Callable] = {}


@dataclass(frozen=True)
class Finding:
    """What is wrong, and where."""

    policy: str
    address: str
    message: str

    def __str__(self) -> str:
        return f"{self.policy}: {self.address}: {self.message}"


class Report:
    """What one policy looked at and found."""

    def __init__(self, policy: str):
        self.policy = policy
        self.examined = 0
        self.findings: list[Finding] = []

    def expect(self, resource: Resource | str, holds: bool, message: str) -> None:
        """One thing that must hold."""
        self.examined += 1
        if not holds:
            address = resource if isinstance(resource, str) else resource.address
            self.findings.append(Finding(self.policy, address, message))


def policy(check: Callable[[Plan, Report], None]):
    """Registers a policy under its function's name."""
    POLICIES[check.__name__] = check
    return check


def run(name: str, plan: Plan) -> Report:
    """One policy over a plan."""
    report = Report(name)
    try:
        POLICIES[name](plan, report)
    except UnknownValue as unknown:
        report.expect(name, False, str(unknown))
    if report.examined == 0:
        report.expect(name, False, "looked at nothing: the resources it is for are gone or have other names")
    return report


def run_all(plan: Plan) -> list[Report]:
    """All policies over a plan."""
    return [run(name, plan) for name in POLICIES]


from . import access, data, network, operations  # noqa: E402,F401  (they register themselves)
