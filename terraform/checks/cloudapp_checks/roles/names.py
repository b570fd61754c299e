"""What exists, by short names, and the calls that roles are asked about."""

from dataclasses import dataclass

from ..evaluator import Request
from ..plan import Plan

MANAGED = {"aws:ResourceTag/cloudapp:managed": "cloudapp"}
# Made by another installation in the same region of the account.
OTHERS = {"aws:ResourceTag/cloudapp:managed": "staging"}
# One question about a call is several requests if several resources take part.
Call = list[Request]


@dataclass(frozen=True)
class Names:
    """ARNs of what exists, by short names."""

    account: str
    region: str
    subnets: list[str]
    # Instance types, beside t3.micro, that machines may and may not have.
    type_allowed: str
    type_refused: str
    group: str
    pool: str
    keys: dict[str, str]
    cluster_resource: str
    master_secret: str
    session_secret: str

    def of(self, service: str, rest: str) -> str:
        """An ARN in this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{rest}"

    def bucket(self, name: str, key: str | None = None) -> str:
        """A bucket of ours, or an object in it."""
        arn = f"arn:aws:s3:::cloudapp-{name}-{self.account}"
        return arn if key is None else f"{arn}/{key}"

    def database_user(self, user: str) -> str:
        """A role of the database."""
        return self.of("rds-db", f"dbuser:{self.cluster_resource}/{user}")

    def connect(self, user: str) -> Request:
        """Signing in to the database as a role."""
        return Request("rds-db:connect", self.database_user(user))

    @property
    def login(self) -> str:
        """The queue of login details."""
        return self.of("sqs", "cloudapp-login")

    @property
    def events(self) -> str:
        """The queue of instance events."""
        return self.of("sqs", "cloudapp-instance-events")

    @property
    def admin_topic(self) -> str:
        """The admins' topic."""
        return self.of("sns", "cloudapp-admin")

    @property
    def machine(self) -> str:
        """A machine."""
        return self.of("ec2", "instance/i-1")

    @property
    def workgroup(self) -> str:
        """The Athena workgroup."""
        return self.of("athena", "workgroup/cloudapp")

    @property
    def glue(self) -> str:
        """The table of events."""
        return self.of("glue", "table/cloudapp/instance_events")

    @property
    def here(self) -> dict:
        """The context of a call in our region."""
        return {"aws:RequestedRegion": self.region}

    @property
    def sign(self) -> dict:
        """The context of signing a login certificate."""
        return {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}

    @property
    def session(self) -> Request:
        """Reading web's session key."""
        return Request("secretsmanager:GetSecretValue", self.session_secret)

    @property
    def master(self) -> Request:
        """Reading the database's master password."""
        return Request("secretsmanager:GetSecretValue", self.master_secret)


# Of each example, whose `instance_types` decide.
TYPES = {"production": ("m7i.4xlarge", "p5.48xlarge"), "minimal": ("t3.2xlarge", "m7i.4xlarge")}


def names(plan: Plan, values: dict, example: str) -> Names:
    """From the state of an example and the chart's values."""

    def one(kind: str, attribute: str, part: str = "") -> str:
        found = [resource.get(attribute) for resource in plan.of(kind) if part in resource.address]
        if len(found) != 1:
            raise LookupError(f"{len(found)} of {kind} {part}")
        return found[0]

    keys = {key.get("description").removeprefix("CloudApp: "): key.get("arn") for key in plan.of("aws_kms_key")}
    keys["ssh_ca"] = values["provisionInstance"]["sshCaKeyId"]
    return Names(
        account=values["aws"]["accountId"],
        region=values["aws"]["region"],
        subnets=values["provisionInstance"]["subnets"],
        type_allowed=TYPES[example][0],
        type_refused=TYPES[example][1],
        group=values["provisionInstance"]["securityGroups"][0],
        pool=one("aws_cognito_user_pool", "arn"),
        keys=keys,
        cluster_resource=one("aws_rds_cluster", "cluster_resource_id"),
        master_secret=values["database"]["adminSecretArn"],
        session_secret=one("aws_secretsmanager_secret", "arn"),
    )


def launch(n: Names, **changes) -> list[Request]:
    """RunInstances as provision-instance asks for it: one question for each resource that takes part."""
    it = {
        "tags": {"aws:RequestTag/cloudapp:managed": "cloudapp"},
        "type": "t3.micro",
        "tokens": "required",
        "hops": "1",
        "encrypted": "true",
        "volume": "gp3",
        "gib": "20",
        "subnet": n.subnets[0],
        "group": n.group,
        "owner": "amazon",
        **changes,
    }
    subnet = n.of("ec2", f"subnet/{it['subnet']}")
    parts = [
        (
            n.of("ec2", "instance/i-new"),
            {
                **it["tags"],
                "ec2:InstanceType": it["type"],
                "ec2:MetadataHttpTokens": it["tokens"],
                "ec2:MetadataHttpPutResponseHopLimit": it["hops"],
            },
        ),
        (
            n.of("ec2", "volume/vol-new"),
            {**it["tags"], "ec2:Encrypted": it["encrypted"], "ec2:VolumeType": it["volume"], "ec2:VolumeSize": it["gib"]},
        ),
        (n.of("ec2", "network-interface/eni-new"), {"ec2:Subnet": subnet}),
        (subnet, {}),
        (n.of("ec2", f"security-group/{it['group']}"), {}),
        (f"arn:aws:ec2:{n.region}::image/ami-1", {"ec2:Owner": it["owner"]}),
    ]
    return [Request("ec2:RunInstances", resource, context) for resource, context in parts]


def via(service: str, n: Names) -> dict:
    """What KMS sees of a call that a service makes for somebody."""
    return {"kms:ViaService": f"{service}.{n.region}.amazonaws.com"}


def calls(*requests: Request) -> list[Call]:
    """Calls on one resource each."""
    return [[request] for request in requests]
