"""Runs Helm on the chart."""

import copy
import functools
import json
import os
import pathlib
import subprocess
import tempfile

import yaml

REPOSITORY = pathlib.Path(__file__).parents[2]
CHECKS = REPOSITORY / "helm/checks"
CHART = REPOSITORY / "helm/cloudapp"
HELM = os.environ.get("CLOUDAPP_HELM")
# The oldest that EKS still supports, one between, and one that is newer than Helm itself.
KUBERNETES = ("1.32", "1.34", "1.36")

# What the chart runs of ours for good.
SERVICES = ("configure-instance", "provision-instance", "view-stats")


def case(name):
    """The values of a case."""
    return json.loads((CHECKS / "values" / f"{name}.json").read_text())


CASES = tuple(sorted(path.stem for path in (CHECKS / "values").glob("*.json")))


def changed(values, dotted, value):
    """A copy of the values with one of them set, or removed by `None`."""
    values = copy.deepcopy(values)
    *path, last = dotted.split(".")
    at = values
    for key in path:
        at = at.setdefault(key, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return values


def helm(command, values, *arguments, namespace="cloudapp"):
    """Helm's exit code and what it said: on standard output, on standard error."""
    if not HELM:
        raise RuntimeError("CLOUDAPP_HELM is not set: start the checks with helm/checks/run")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        ran = subprocess.run(
            [HELM, *command, str(CHART), "--namespace", namespace, "--values", file.name, *arguments],
            capture_output=True, text=True, check=False, timeout=60,
        )
    return ran.returncode, ran.stdout, ran.stderr


def template(values, kubernetes=KUBERNETES[0], namespace="cloudapp"):
    """What Helm renders, as text."""
    code, out, err = helm(["template", "cloudapp"], values, "--kube-version", f"{kubernetes}.0", namespace=namespace)
    if code:
        raise AssertionError(err)
    return out


@functools.cache
def objects(name):
    """The rendered objects of a case."""
    return [document for document in yaml.safe_load_all(template(case(name))) if document]


def of_kind(name, kind):
    """The rendered objects of this kind, by their names."""
    return {document["metadata"]["name"]: document for document in objects(name) if document["kind"] == kind}


def pods(name):
    """Every pod that the case makes, by the object that makes it: metadata and spec."""
    found = {}
    for document in objects(name):
        key = f"{document['kind']}/{document['metadata']['name']}"
        if document["kind"] in ("Deployment", "Job"):
            found[key] = document["spec"]["template"]
        elif document["kind"] == "Pod":
            found[key] = document
    return found


def services(name):
    """The deployments of our services."""
    return {service: made for service, made in of_kind(name, "Deployment").items() if service in SERVICES}


def collects(name):
    """Whether the case runs the collector."""
    return case(name)["collector"]["enabled"]
