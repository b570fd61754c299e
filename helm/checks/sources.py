"""What the Rust code says: which variables each binary reads, its routes, how long it takes to end."""

import json
import re
import tomllib

import chart

# Read by the AWS SDK, the log filter and OpenTelemetry, whether or not a setting of ours reads them too.
READ_BY_LIBRARIES = {"AWS_REGION", "RUST_LOG", "OTEL_EXPORTER_OTLP_ENDPOINT"}
_SETTING = re.compile(
    r'#\[arg\((?P<options>(?:[^\[\]]|\[[^\]]*\])*?env = "(?P<name>[A-Z0-9_]+)"(?:[^\[\]]|\[[^\]]*\])*?)\)\]\s*'
    r"pub(?:\(crate\))? \w+: (?P<type>[^\n]+),\n"
)


def folder(service):
    """The crate of a service."""
    return chart.REPOSITORY / "services" / service


def _programs(crate):
    """The crate's sources, without tests."""
    for path in sorted((crate / "src").rglob("*.rs")):
        if not {"tests", "tests.rs", "testing", "simulation"} & set(path.relative_to(crate).parts):
            yield path, re.split(r"#\[cfg\(test\)\]\s+mod \w+ \{", path.read_text())[0]


def settings(crate):
    """Every variable that this crate's own settings read, by the struct that holds them: whether it must be set."""
    found = {}
    for path, text in _programs(crate):
        for match in _SETTING.finditer(text):
            optional = "default_value" in match["options"] or match["type"].startswith(("Option<", "Vec<", "bool"))
            struct = re.findall(r"pub(?:\(crate\))? struct (\w+)", text[:match.start()])[-1]
            found.setdefault(struct, {})[match["name"]] = not optional
        # Nothing is read behind the back of these settings, but what OpenTelemetry defines.
        if re.search(r'env::var(_os)?\((?!"OTEL_)', text):
            raise AssertionError(f"{path} reads the environment by itself")
    return found


def read_by(crate):
    """Every variable that the crate's program reads, by its own settings and by those that it shares: whether it must
    be set."""
    read = {name: must for own in settings(crate).values() for name, must in own.items()}
    text = "".join(text for _, text in _programs(crate))
    names = set(tomllib.loads((crate / "Cargo.toml").read_text())["dependencies"])
    for shared in ("chassis", "database"):
        for struct, entries in settings(chart.REPOSITORY / "services/shared" / shared).items():
            if f"cloudapp-{shared}" in names and re.search(rf"\b{struct}\b", text):
                read |= entries
    return read


def paths(service):
    """The paths of a service's API."""
    return sorted(json.loads((folder(service) / "openapi.json").read_text())["paths"])


def seconds(file, pattern):
    """A number of seconds in the code."""
    found = re.search(pattern, (chart.REPOSITORY / file).read_text())
    if not found:
        raise AssertionError(f"{file} no longer says {pattern}")
    return int(found[1])
