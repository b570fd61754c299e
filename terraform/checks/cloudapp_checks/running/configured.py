"""What each part is told, out of what Terraform made: the services by the chart with the values of `deploy/values`, web
by its task definition on ECS, the Lambdas by their configuration."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from .expect import NotSo, expect

REPOSITORY = Path(__file__).resolve().parents[4]
SERVICES = ("configure-instance", "provision-instance", "view-stats")


def _helm() -> str:
    """The Helm that deploys, or the one that the chart is checked with."""
    found = os.environ.get("CLOUDAPP_HELM") or shutil.which("helm")
    return found or _run([REPOSITORY / "helm" / "checks" / "tools", "helm"]).strip()


def _run(command: list, said: str | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command], input=said, capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode != 0:
        raise NotSo(f"{Path(command[0]).name} failed:\n{done.stderr[-3000:]}")
    return done.stdout


def _plain(environment: list[dict]) -> dict[str, str]:
    expect(all(set(one) == {"name", "value"} for one in environment), "a part is told something by reference")
    return {one["name"]: one["value"] for one in environment}


def by_chart(held: dict, tag: str, work: Path) -> dict[str, dict[str, str]]:
    """The environment of the services, of the job `migrate` and of the collector, as a deployment with these outputs sets it."""
    outputs = held["outputs"]
    said = json.dumps({name: {"sensitive": False, "value": value} for name, value in outputs.items()})
    # The emulator's queues are at its own address, over HTTP, which the chart refuses. It knows them by AWS's names too.
    queues = f"https://sqs.{outputs['helm_values']['aws']['region']}.amazonaws.com/"
    said = said.replace(f"{held['endpoint']}/", queues)
    values = work / "values.json"
    values.write_text(_run([sys.executable, REPOSITORY / "deploy" / "values", "--tag", tag], said))
    namespace = outputs["helm_values"]["namespace"]
    rendered = _run(
        [_helm(), "template", "cloudapp", REPOSITORY / "helm" / "cloudapp", "--namespace", namespace]
        + ["--values", values, "--kube-version", "1.32.0"]
    )
    environments = {}
    for thing in yaml.safe_load_all(rendered):
        if thing and thing["kind"] in ("Deployment", "Job"):
            [container] = thing["spec"]["template"]["spec"]["containers"]
            environments[thing["metadata"]["name"]] = _plain(container["env"])
    workloads = {*SERVICES, "migrate", "collector"}
    expect(set(environments) == workloads, f"the chart has other workloads: {sorted(environments)}")
    return environments


def by_task(aws, web: dict) -> dict[str, str]:
    """Web's environment, its secrets read as ECS reads them."""
    [service] = aws("ecs").describe_services(cluster=web["cluster"], services=[web["service"]])["services"]
    task = aws("ecs").describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    [container] = task["containerDefinitions"]
    secrets = {
        one["name"]: aws("secretsmanager").get_secret_value(SecretId=one["valueFrom"])["SecretString"]
        for one in container.get("secrets", [])
    }
    return _plain(container["environment"]) | secrets


def by_function(aws, name: str) -> dict[str, str]:
    """A Lambda's environment, with what Lambda itself adds."""
    function = aws("lambda").get_function_configuration(FunctionName=name)
    return function["Environment"]["Variables"] | {
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": function["Version"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function["MemorySize"]),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "check",
    }
