"""Asks MiniStack what each role may do, and compares with the tables and with the evaluator."""

import contextlib
import json
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .. import roles
from ..evaluator import Decision, Request, decide
from ..plan import Plan
from ..roles.names import names
from .blind import ELSEWHERE, UNASKED, UNSUPPLIED, Sight, Unlisted, sight, unasked
from .calls import NoCall, call
from .ministack import enforcing
from .stage import Session, Stage, ask

REFUSALS_WANTED = 10
EYE = "cloudapp-eye"


@dataclass
class Outcome:
    """What came of it."""

    wrong: list[str] = field(default_factory=list)
    answers: Counter = field(default_factory=Counter)
    refused_of: Counter = field(default_factory=Counter)
    unjudged: Counter = field(default_factory=Counter)
    probes: int = 0

    def said(self) -> str:
        """In a paragraph."""
        through, answered = self.answers["let through"], self.answers["answered"]
        lines = [
            f"enforced: {answered + through} calls allowed ({through} of them to an error of the service's own), "
            f"{self.answers['refused']} refused, all as the evaluator says; {self.probes} looks at how MiniStack sees them",
            f"not judged by MiniStack: {self.unjudged.total()}",
        ]
        return "\n".join(lines + [f"  {count:4} {reason}" for reason, count in self.unjudged.most_common()])


@dataclass(frozen=True)
class Question:
    """May a role do this? What the tables say: it must, it must not, or (a part of a call) nothing for itself."""

    role: str
    request: Request
    expected: bool | None


def questions(table: dict, common: list) -> list[Question]:
    """Every request of the tables, once for each role."""
    found: dict[str, Question] = {}
    for role, (needs, must_not) in table.items():
        asked = [(one, True) for one in needs] + [(one, False if len(one) == 1 else None) for one in must_not + common]
        for requests, expected in asked:
            for request in requests:
                known = found.setdefault(f"{role} {key(request)}", Question(role, request, expected))
                if known.expected is None:
                    found[f"{role} {key(request)}"] = Question(role, request, expected)
    return list(found.values())


def key(request: Request) -> str:
    """The same for equal requests."""
    return json.dumps([request.action, request.resource, request.context], sort_keys=True)


def compare(question: Question, documents: list[dict], answer: str) -> list[str]:
    """What is wrong with MiniStack's answer."""
    request, lets = question.request, answer != "refused"
    what = f"{request.action} on {request.resource} with {request.context}"
    wrong, decision = [], decide(documents, request)
    if question.expected is True and not lets:
        wrong.append(f"{question.role} needs {what}: MiniStack refuses it")
    if question.expected is False and lets:
        wrong.append(f"{question.role} may {what}, and must not: MiniStack lets it")
    if lets != (decision is Decision.ALLOWED):
        wrong.append(f"{question.role}, {what}: MiniStack says {answer}, the evaluator {decision.value}")
    return wrong


class Eye:
    """A role that may do everything but one thing, which shows what MiniStack sees: it is refused just that."""

    def __init__(self, stage: Stage):
        self.stage = stage
        self.session = stage.role(EYE, {})
        self.seen: dict[str, bool] = {}

    def sees(self, asked: Request, as_: Request) -> bool:
        """Whether MiniStack takes a call for this request: action, resource and each key of the context."""
        known = f"{key(asked)} {key(as_)}"
        if known not in self.seen:
            everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
            document = {"Version": "2012-10-17", "Statement": [everything, {**_exactly(as_), "Effect": "Deny"}]}
            self.stage.permit(EYE, "all-but-one", document)
            answer, why = ask(self.session, call(asked), asked.context.get("aws:RequestedRegion"))
            self.seen[known] = answer == "refused" and "explicit deny" in why
        return self.seen[known]


def _exactly(request: Request) -> dict:
    """A statement on nothing but a request. What has the resource `*` is what names none."""
    one = {name: value for name, value in request.context.items() if not isinstance(value, list)}
    many = {name: value for name, value in request.context.items() if isinstance(value, list)}
    condition = {"StringEquals": one, "ForAnyValue:StringEquals": many}
    return {
        "Action": request.action,
        "Resource": request.resource,
        "Condition": {operator: keys for operator, keys in condition.items() if keys},
    }


def look(eye: Eye, asked: Request, seen: Sight) -> list[str]:
    """Whether MiniStack sees a call as `blind.py` says: no worse, and no better."""
    what = f"{asked.action} on {asked.resource} with {asked.context}"
    wrong = []
    if not eye.sees(asked, seen.request):
        wrong.append(f"{what}: MiniStack does not take the call for this; see enforced/calls.py and enforced/blind.py")
    if seen.elsewhere and eye.sees(asked, Request(asked.action, asked.resource)):
        wrong.append(f"{what}: MiniStack sees the resource; take it off the list in enforced/blind.py")
    for lost in seen.lost:
        if eye.sees(asked, Request(asked.action, seen.request.resource, {lost: asked.context[lost]})):
            wrong.append(f"{what}: MiniStack supplies {lost}; take it off the list in enforced/blind.py")
    return wrong


def look_again(eye: Eye, asked: Request) -> list[str]:
    """Whether MiniStack judges by now what is not asked, as far as there is a call for it."""
    with contextlib.suppress(NoCall):
        if eye.sees(asked, Request(asked.action, asked.resource)):
            return [f"{asked.action} on {asked.resource}: MiniStack judges it; take it off the list in enforced/blind.py"]
    return []


def _stale(asked: list[Question]) -> list[str]:
    """What is listed as a gap and is in no table."""
    idle = [gap.reason for gap in UNASKED + ELSEWHERE if not any(gap.covers(one.request) for one in asked)]
    keys = {name for one in asked for name in one.request.context}
    idle += [one for one in UNSUPPLIED if not any(name.startswith(one.removesuffix("*")) for name in keys)]
    return [f"enforced/blind.py lists what no table asks: {one}" for one in idle]


def judge(state: dict, example: str, only: frozenset[str] = frozenset()) -> Outcome:
    """Everything, or `only` these roles, on a MiniStack of its own."""
    plan, values = Plan(state), state["values"]["outputs"]["helm_values"]["value"]
    n = names(plan, values, example)
    asked = questions(roles.table(n), roles.everybody_is_refused(n))
    with tempfile.TemporaryDirectory() as work, enforcing(Path(work), n.account, n.region) as endpoint:
        stage = Stage(Session.root(endpoint, n.account, n.region), n.account)
        stage.set(plan, [one.request for one in asked])
        outcome = _ask_all(stage, roles.documents_of(plan), [one for one in asked if not only or one.role in only])
    outcome.wrong += _stale(asked)
    return outcome


def _ask_all(stage: Stage, documents_of: dict[str, list[dict]], asked: list[Question]) -> Outcome:
    outcome, eye = Outcome(), Eye(stage)
    documents_of = {role: json.loads(stage.instead(json.dumps(found))) for role, found in documents_of.items()}
    sessions = {}
    for role in dict.fromkeys(one.role for one in asked):
        # One that is not there may nothing, which is noticed.
        found = documents_of.setdefault(role, [])
        sessions[role] = stage.role(role, {f"policy-{number}": one for number, one in enumerate(found)})
    for question in asked:
        _ask_one(stage, eye, sessions[question.role], documents_of[question.role], question, outcome)
    outcome.probes = len(eye.seen)
    for role in sessions:
        if outcome.refused_of[role] < REFUSALS_WANTED:
            outcome.wrong.append(f"{role}: MiniStack refuses {outcome.refused_of[role]} things; ten are wanted")
    return outcome


def _ask_one(stage, eye: Eye, session: Session, documents: list[dict], question: Question, outcome: Outcome) -> None:
    if reason := unasked(question.request):
        outcome.unjudged[reason] += 1
        outcome.wrong += look_again(eye, question.request)
        return
    question = Question(question.role, stage.request(question.request), question.expected)
    try:
        seen = sight(question.request)
        made = call(question.request)
    except (NoCall, Unlisted) as gap:
        outcome.wrong.append(f"neither asked nor listed as a gap: {gap}")
        return
    outcome.wrong += look(eye, question.request, seen)
    if reason := seen.blinded(documents):
        outcome.unjudged[reason] += 1
        return
    answer, _ = ask(session, made, question.request.context.get("aws:RequestedRegion"))
    outcome.answers[answer] += 1
    outcome.refused_of[question.role] += answer == "refused"
    outcome.wrong += compare(question, documents, answer)
