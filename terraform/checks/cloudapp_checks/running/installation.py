"""CloudApp's own programs, each told what Terraform made.

What is not as Terraform says, because nothing here could carry it:

| Terraform's | here | why |
|---|---|---|
| Aurora's host | a PostgreSQL on this machine | an emulator has no database behind its cluster |
| the services' host, the boot reports' address, web's and the gateway's addresses | loopback | no load balancer, no API Gateway, no DNS |
| the keys' address of the user pool | the emulator's | the issuer's name leads to AWS |
| Amazon's certificates of identity documents | the simulator's beside them | nobody else signs documents of machines that do not exist |
| the queues' addresses | AWS's names for them | the emulator's own are not HTTPS, which the chart refuses |
| where traces go | nowhere | nothing here takes them |
| where programs listen | a free port each | they share a machine |
| the seconds between exports of events | 1 | nobody waits a minute to see one |
"""

import contextlib
import json
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ..ports import free_port
from .configured import SERVICES, by_chart, by_function, by_task
from .database import Database
from .event_sources import EventSources
from .expect import expect
from .functions import Function, Gateway
from .processes import Processes

FUNCTIONS = ("auth", "login-poller", "stop-ec2")


@dataclass
class Installation:
    """Where everything is."""

    configure: str
    provision: str
    stats: str
    web: str
    gateway: str
    simulator: str
    functions: dict[str, Function]
    processes: Processes


def local(port: int) -> str:
    """A URL on loopback."""
    return f"http://127.0.0.1:{port}"


class Parts:
    """Starts the parts one after the other; what they share is kept here."""

    def __init__(self, aws, held: dict, programs: Path, work: Path, processes: Processes, database: Database):
        self.aws, self.programs, self.processes, self.database = aws, programs, processes, database
        self.endpoint, self.outputs = held["endpoint"], held["outputs"]
        self.values = self.outputs["helm_values"]
        self.told = by_chart(held, "1.0.0", work)
        self.work = work
        self.ports = {name: free_port() for name in (*SERVICES, "web", "simulator")}

    def substitutes(self, environment: dict[str, str]) -> dict[str, str]:
        """What is otherwise than Terraform says, of what a part is told: see above."""
        pool = self.outputs["identity"]["user_pool_id"]
        otherwise = {
            "CLOUDAPP_JWKS_URL": f"{self.endpoint}/{pool}/.well-known/jwks.json",
            "CLOUDAPP_BOOT_REPORT_URL": f"{local(self.ports['provision-instance'])}/api/boot-reports",
            "CLOUDAPP_EXPORT_INTERVAL_SECONDS": "1",
            "CLOUDAPP_CONFIGURE_URL": local(self.ports["configure-instance"]),
            "CLOUDAPP_PROVISION_URL": local(self.ports["provision-instance"]),
            "CLOUDAPP_STATS_URL": local(self.ports["view-stats"]),
            "CLOUDAPP_PUBLIC_URL": local(self.ports["web"]),
        }
        told = {name: otherwise.get(name, value) for name, value in environment.items()}
        told.pop("OTEL_EXPORTER_OTLP_ENDPOINT", None)
        if "DATABASE_URL" in told:
            told["DATABASE_URL"] = self.database.url(told["DATABASE_URL"])
        return told | {
            "AWS_REGION": self.values["aws"]["region"],
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_EC2": local(self.ports["simulator"]),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def program(self, name: str) -> Path:
        """A program's own binary."""
        program = self.programs / name
        expect(program.exists(), f"{program} is not there: build the programs with `cargo build --workspace`")
        return program

    def simulator(self) -> None:
        """EC2: the machines are its own, everything that they are in is Terraform's."""
        settings = {
            "SIMULATOR_PORT": str(self.ports["simulator"]),
            "SIMULATOR_NETWORK_ENDPOINT": self.endpoint,
            "SIMULATOR_IAM_ENDPOINT": self.endpoint,
            "SIMULATOR_REGION": self.values["aws"]["region"],
            "SIMULATOR_ACCOUNT_ID": self.values["aws"]["accountId"],
            # The end of the EventBridge rules.
            "SIMULATOR_EVENT_QUEUE_URL": self.values["provisionInstance"]["instanceEventsQueueUrl"],
        }
        self.processes.start("ec2-simulator", [self.program("ec2-simulator")], settings)
        certificate = f"{local(self.ports['simulator'])}/_simulator/identity-certificate"
        self.processes.wait_until_ready("ec2-simulator", certificate)
        with urllib.request.urlopen(certificate, timeout=10) as answer:
            (self.work / "identity.pem").write_bytes(answer.read())

    def migrate(self) -> None:
        """The chart's job, with the administrator whose secret Terraform made."""
        program = self.program("cloudapp-operate")
        self.processes.finish("migrate", [program, "migrate"], self.substitutes(self.told["migrate"]), 120)

    def service(self, name: str, environment: dict[str, str]) -> None:
        """A service, or web."""
        listens = {"CLOUDAPP_LISTEN": f"127.0.0.1:{self.ports[name]}"}
        told = self.substitutes(environment) | listens
        if name == "provision-instance":
            told["CLOUDAPP_IDENTITY_CERTIFICATES"] = str(self.work / "identity.pem")
        self.processes.start(name, [self.program(f"cloudapp-{name}")], told)

    def function(self, name: str) -> Function:
        """A Lambda with its runtime."""
        function = Function(f"cloudapp-{name}")
        told = self.substitutes(by_function(self.aws, function.name))
        told["AWS_LAMBDA_RUNTIME_API"] = function.server.address
        self.processes.start(name, [self.program(function.name)], told)
        return function


@contextlib.contextmanager
def installed(aws, held: dict, programs: Path, work: Path):
    """CloudApp on what Terraform made, ready to serve; it is gone after the block."""
    secret_arn = held["outputs"]["helm_values"]["database"]["adminSecretArn"]
    login = json.loads(aws("secretsmanager").get_secret_value(SecretId=secret_arn)["SecretString"])
    with Database(login["username"], login["password"]) as database, Processes(work) as processes:
        parts = Parts(aws, held, programs, work, processes, database)
        database.start(processes)
        parts.simulator()
        parts.migrate()
        functions = {f"cloudapp-{name}": parts.function(name) for name in FUNCTIONS}
        gateway = Gateway(aws, "cloudapp", functions)
        for name in SERVICES:
            parts.service(name, parts.told[name])
        web = by_task(aws, held["outputs"]["web"]) | {"CLOUDAPP_GATEWAY_URL": gateway.url}
        parts.service("web", web)
        for name in (*SERVICES, "web"):
            processes.wait_until_ready(name, f"{local(parts.ports[name])}/readyz")
        with EventSources(aws, functions):
            yield Installation(
                configure=local(parts.ports["configure-instance"]),
                provision=local(parts.ports["provision-instance"]),
                stats=local(parts.ports["view-stats"]),
                web=local(parts.ports["web"]),
                gateway=gateway.url,
                simulator=local(parts.ports["simulator"]),
                functions=functions,
                processes=processes,
            )
