"""What `terraform show -json` prints, of a plan or of a state, as a flat list of resources."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class UnknownValue(Exception):
    """A policy looks at a value that the plan does not know yet."""


@dataclass(frozen=True)
class Resource:
    """One resource with all its values."""

    address: str
    type: str
    values: dict

    def get(self, name: str, default=None):
        """The value of an attribute; `default` for null. Raises `UnknownValue` for what is known after apply only."""
        if name not in self.values:
            raise UnknownValue(f"{self.address}: {name} is not known; check the state after an apply")
        value = self.values[name]
        return default if value is None else value

    def block(self, name: str) -> dict:
        """The only block of this name, or nothing."""
        blocks = self.get(name, [])
        return blocks[0] if blocks else {}

    def json(self, name: str) -> dict:
        """An attribute that holds JSON, read."""
        return json.loads(self.get(name))


class Plan:
    """All managed resources."""

    def __init__(self, document: dict):
        values = document.get("planned_values") or document.get("values")
        if not values:
            raise ValueError("neither a plan nor a state: expected planned_values or values")
        self.document = document
        self.resources = [
            Resource(found["address"], found["type"], found["values"])
            for found in _resources(values["root_module"])
            if found["mode"] == "managed"
        ]

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """From a file."""
        return cls(json.loads(path.read_text()))

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types."""
        return [resource for resource in self.resources if resource.type in types]


def _resources(module: dict) -> Iterator[dict]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def as_list(value) -> list:
    """IAM's way to write one thing or many."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def statements(document: dict) -> list[dict]:
    """A policy document's statements."""
    return as_list(document.get("Statement"))
