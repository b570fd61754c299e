"""Lambda functions that run CloudApp's own binary, and what calls them."""

import base64
import hashlib
import io
import shlex
import zipfile

from .session import Session, differing

RUNTIME = "provided.al2023"
# Nothing assumes it; Lambda wants one.
ROLE = "arn:aws:iam::000000000000:role/cloudapp-lambda"


def bootstrap_zip(command: list[str], name: str) -> bytes:
    """A deployment package whose `bootstrap` becomes `command name`; the same bytes for the same arguments."""
    script = "#!/bin/sh\nexec " + shlex.join([*command, name]) + "\n"
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o755 << 16
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(entry, script)
    return package.getvalue()


def ensure_function(session: Session, name: str, package: bytes, environment: dict, timeout_seconds: int) -> str:
    """The ARN of the function, with this package, environment and timeout."""
    client = session.client("lambda")
    configuration = {"Runtime": RUNTIME, "Handler": "bootstrap", "Timeout": timeout_seconds, "MemorySize": 256}
    try:
        actual = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        arn = client.create_function(FunctionName=name, Role=ROLE, Code={"ZipFile": package},
                                     Environment={"Variables": environment}, **configuration)["FunctionArn"]
        session.changed(f"function {name}")
        return arn
    if actual["CodeSha256"] != base64.b64encode(hashlib.sha256(package).digest()).decode():
        client.update_function_code(FunctionName=name, ZipFile=package)
        session.changed(f"function {name}: code")
    if differing(configuration, actual) or actual.get("Environment", {}).get("Variables", {}) != environment:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": environment},
                                             **configuration)
        session.changed(f"function {name}: configuration")
    return actual["FunctionArn"]


def ensure_event_source(session: Session, queue_arn: str, function_name: str, batch_size: int = 10) -> None:
    """Messages of the queue go to the function, which answers which of a batch failed."""
    client = session.client("lambda")
    wanted = {"BatchSize": batch_size, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
    mappings = client.list_event_source_mappings(EventSourceArn=queue_arn,
                                                 FunctionName=function_name)["EventSourceMappings"]
    if not mappings:
        client.create_event_source_mapping(EventSourceArn=queue_arn, FunctionName=function_name, **wanted)
        session.changed(f"event source of {function_name}")
    elif differing(wanted, mappings[0]):
        client.update_event_source_mapping(UUID=mappings[0]["UUID"], **wanted)
        session.changed(f"event source of {function_name}: settings")
