"""What the Rust code says: which variables each binary reads, its routes, how long it takes to end."""

import json
import re
import tomllib

import chart

# Read by the AWS SDK and by the log filter, not by a setting of ours.
READ_BY_LIBRARIES = {"AWS_REGION", "RUST_LOG"}
_SETTING = re.compile(
    r'#\[arg\((?P<options>(?:[^\[\]]|\[[^\]]*\])*?env = "(?P<name>[A-Z0-9_]+)"(?:[^\[\]]|\[[^\]]*\])*?)\)\]\s*'
    r"pub(?:\(crate\))? \w+: (?P<type>[^\n]+),\n"
)


def folder(service):
    """The crate of a service."""
    return chart.REPOSITORY / "services" / service


def _shared(crate):
    """The shared crates of ours that take settings and that this crate uses."""
    names = set(tomllib.loads((crate / "Cargo.toml").read_text())["dependencies"])
    return [chart.REPOSITORY / "services/shared" / name for name in ("chassis", "database")
            if f"cloudapp-{name}" in names]


def settings(*crates):
    """Every variable that these crates read: whether it must be set."""
    found = {}
    for crate in crates:
        for path in sorted((crate / "src").rglob("*.rs")):
            for match in _SETTING.finditer(path.read_text()):
                optional = "default_value" in match["options"] or match["type"].startswith(("Option<", "Vec<", "bool"))
                found[match["name"]] = not optional
            # Nothing is read behind the back of these settings.
            text = path.read_text().split("#[cfg(test)]")[0]
            if re.search(r"env::var(_os)?\(", text) and "/tests" not in str(path) and "simulation" not in str(path):
                raise AssertionError(f"{path} reads the environment by itself")
    return found


def read_by(service):
    """Every variable that this service reads: whether it must be set."""
    crate = folder(service)
    return settings(crate, *_shared(crate))


def paths(service):
    """The paths of a service's API."""
    return sorted(json.loads((folder(service) / "openapi.json").read_text())["paths"])


def seconds(file, pattern):
    """A number of seconds in the code."""
    found = re.search(pattern, (chart.REPOSITORY / file).read_text())
    if not found:
        raise AssertionError(f"{file} no longer says {pattern}")
    return int(found[1])
