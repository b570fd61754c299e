"""What may differ in a plan right after an apply, because the emulator forgets or rephrases it: listed, with the
reason, by resource type and attribute. Everything else is a fault of ours."""

import json
from pathlib import Path

ALLOWED = Path(__file__).parent / "drift.json"


def changed(before, after, path: str = "") -> set[str]:
    """The attributes in which two values differ: `a.b` for `b` in the block `a`, without positions."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {
            one
            for key in before.keys() | after.keys()
            for one in changed(before.get(key), after.get(key), f"{path}.{key}" if path else key)
        }
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return {one for b, a in zip(before, after) for one in changed(b, a, path)}
    return set() if before == after else {path}


def unexplained(plan: dict, allowed: dict) -> tuple[list[str], set[str]]:
    """What the plan would change without a listed reason, and the listed reasons that were used."""
    faults, used = [], set()
    for resource in plan.get("resource_changes", []):
        actions = resource["change"]["actions"]
        if resource["mode"] != "managed" or actions == ["no-op"]:
            continue
        if actions != ["update"]:
            faults.append(f"{resource['address']}: {'/'.join(actions)} ({resource.get('action_reason', 'no reason given')})")
            continue
        change = resource["change"]
        attributes = changed(change["before"], change["after"]) | {
            name
            for name, unknown in (change.get("after_unknown") or {}).items()
            if unknown is True and change["before"].get(name) is not None
        }
        for attribute in sorted(attributes):
            entry = f"{resource['type']}.{attribute}"
            if entry in allowed:
                used.add(entry)
            else:
                faults.append(f"{resource['address']}: would change {attribute}")
    return faults, used


def read_allowed() -> dict[str, str]:
    """The list: `type.attribute` to the reason."""
    return json.loads(ALLOWED.read_text())
