"""What Terraform's source says, as far as the chart depends on it. Only the plain forms that it uses are understood."""

import re

import chart

ROOT = chart.REPOSITORY / "terraform"


def text(file):
    """A file of the root module, without comments."""
    path = ROOT / file
    if not path.exists():
        raise AssertionError(f"{path.relative_to(chart.REPOSITORY)} is missing: the chart cannot be compared with Terraform")
    return re.sub(r"(?m)\s#.*$|^#.*$", "", path.read_text())


def block(file, head):
    """The keys of the object that follows `head`, nested; what is no object is its expression as text."""
    source = text(file)
    start = source.find(head)
    if start < 0:
        raise AssertionError(f"terraform/{file} no longer says {head!r}")
    value, _ = _object(source, source.index("{", start + len(head)))
    return value


def _object(source, at):
    assert source[at] == "{", source[at:at + 40]
    at += 1
    entries = {}
    while True:
        at = re.compile(r"[\s,]*").match(source, at).end()
        if source[at] == "}":
            return entries, at + 1
        key = re.compile(r'"?([\w-]+)"?\s*=\s*').match(source, at)
        assert key, source[at:at + 60]
        at = key.end()
        if source[at] == "{":
            entries[key[1]], at = _object(source, at)
            continue
        end, depth = at, 0
        while depth or source[end] not in "\n,}":
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(source[end], 0)
            end += 1
        entries[key[1]], at = source[at:end].strip(), end


def variables(file, head):
    """The environment variables in the expression that follows `head`, those of merged objects included."""
    source = text(file)
    start = source.index(head)
    end, depth = start + len(head), 0
    while depth or source[end] != "\n":
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(source[end], 0)
        end += 1
    expression = source[start:end]
    names = set(re.findall(r"\b((?:CLOUDAPP|OTEL|DATABASE)_\w+)\s*=", expression))
    if "local.token_environment" in expression:
        names |= set(block("environment.tf", "token_environment ="))
    if "local.database_environment" in expression:
        names |= set(re.findall(r"\b([A-Z_]+)\s*=", source_of_database()))
    return names


def source_of_database():
    """The variables of whoever has a database."""
    source = text("environment.tf")
    start = source.index("database_environment =")
    return source[start:source.index("} }", start)]
