"""What the roles' calls are about, made in MiniStack with the names that Terraform gave, and the roles themselves.

MiniStack has our account and region, so names stay as they are. What it names by itself (keys, the pool, secrets) stands
in for Terraform's: in policies and requests the one is written for the other, and nothing else is changed.
"""

import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ..evaluator import Request
from ..plan import Plan
from .calls import rest, user

SETTINGS = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class Session:
    """boto3 with somebody's credentials: the account's own, or a role's."""

    def __init__(self, endpoint: str, region: str, credentials: dict):
        self.endpoint, self.region, self.credentials = endpoint, region, credentials
        self.clients: dict = {}

    @classmethod
    def root(cls, endpoint: str, account: str, region: str) -> "Session":
        """The account itself: MiniStack takes its number as the key."""
        return cls(endpoint, region, {"aws_access_key_id": account, "aws_secret_access_key": "test"})

    def client(self, service: str, region: str | None = None):
        """A client, made once: reading a service's description takes longer than a call."""
        asked = (service, region or self.region)
        if asked not in self.clients:
            self.clients[asked] = boto3.client(
                service, region_name=asked[1], endpoint_url=self.endpoint, config=SETTINGS, **self.credentials
            )
        return self.clients[asked]

    def assume(self, role_arn: str) -> "Session":
        """The session of a role."""
        given = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="check")["Credentials"]
        return Session(
            self.endpoint,
            self.region,
            {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            },
        )


class Stage:
    """What was made, by the account itself."""

    def __init__(self, root: Session, account: str):
        self.root, self.account = root, account
        self.standing_in: dict[str, str] = {}

    def instead(self, text: str) -> str:
        """A text in which MiniStack's names stand for Terraform's."""
        for terraforms, ministacks in self.standing_in.items():
            text = text.replace(terraforms, ministacks)
        return text

    def request(self, request: Request) -> Request:
        """A request with them."""
        return Request(request.action, self.instead(request.resource), request.context)

    def set(self, plan: Plan, requests: list[Request]) -> None:
        """Makes everything that MiniStack can make."""
        for queue in plan.of("aws_sqs_queue"):
            self.root.client("sqs").create_queue(QueueName=queue.get("name"))
        for topic in plan.of("aws_sns_topic"):
            self.root.client("sns").create_topic(Name=topic.get("name"))
        for repository in plan.of("aws_ecr_repository"):
            self.root.client("ecr").create_repository(repositoryName=repository.get("name"))
        self._buckets(plan, requests)
        self._keys(plan)
        self._secrets(requests)
        self._pool(plan, requests)
        self._catalogue(plan)

    def role(self, name: str, policies: dict[str, dict]) -> Session:
        """A role with these inline policies and no other, assumed. Who may assume it is not what is judged here."""
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"}}
        self.root.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        for policy, document in policies.items():
            self.permit(name, policy, document)
        return self.root.assume(f"arn:aws:iam::{self.account}:role/{name}")

    def permit(self, role: str, policy: str, document: dict) -> None:
        """Gives a role a policy, or changes it."""
        self.root.client("iam").put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))

    def _buckets(self, plan: Plan, requests: list[Request]) -> None:
        s3, made = self.root.client("s3"), set()
        for bucket in plan.of("aws_s3_bucket"):
            s3.create_bucket(
                Bucket=bucket.get("bucket"), CreateBucketConfiguration={"LocationConstraint": self.root.region}
            )
            made.add(bucket.get("bucket"))
        for read in {one.resource for one in requests if one.action == "s3:GetObject"}:
            bucket, key = rest(read).split("/", 1)
            if bucket in made:
                s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def _keys(self, plan: Plan) -> None:
        for key in plan.of("aws_kms_key"):
            made = self.root.client("kms").create_key(
                KeySpec=key.get("customer_master_key_spec"), KeyUsage=key.get("key_usage")
            )["KeyMetadata"]
            self.standing_in[key.get("arn")] = made["Arn"]

    def _secrets(self, requests: list[Request]) -> None:
        # Not from the plan: RDS makes the master's, and Terraform only knows its name.
        for arn in sorted({one.resource for one in requests if one.action == "secretsmanager:GetSecretValue"}):
            name = rest(arn).removeprefix("secret:").rsplit("-", 1)[0]
            made = self.root.client("secretsmanager").create_secret(Name=name, SecretString="x")
            self.standing_in[arn] = made["ARN"]

    def _pool(self, plan: Plan, requests: list[Request]) -> None:
        cognito = self.root.client("cognito-idp")
        for pool in plan.of("aws_cognito_user_pool"):
            made = cognito.create_user_pool(PoolName=pool.get("name"), UsernameAttributes=["email"])["UserPool"]["Id"]
            self.standing_in[pool.get("id")] = made
            cognito.create_group(UserPoolId=made, GroupName="admins")
            for action in {one.action for one in requests if one.action.startswith("cognito-idp:Admin")}:
                if action != "cognito-idp:AdminCreateUser":
                    cognito.admin_create_user(UserPoolId=made, Username=user(action), MessageAction="SUPPRESS")

    def _catalogue(self, plan: Plan) -> None:
        for workgroup in plan.of("aws_athena_workgroup"):
            place = workgroup.block("configuration")["result_configuration"][0]["output_location"]
            self.root.client("athena").create_work_group(
                Name=workgroup.get("name"), Configuration={"ResultConfiguration": {"OutputLocation": place}}
            )
        glue = self.root.client("glue")
        for database in plan.of("aws_glue_catalog_database"):
            glue.create_database(DatabaseInput={"Name": database.get("name")})
        for table in plan.of("aws_glue_catalog_table"):
            glue.create_table(DatabaseName=table.get("database_name"), TableInput={"Name": table.get("name")})


REFUSALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
# Not an answer about the role: MiniStack does not know who calls.
STRANGERS = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}


class NotKnown(Exception):
    """MiniStack does not know who calls."""


def ask(session: Session, call: tuple[str, str, dict], region: str | None) -> tuple[str, str]:
    """Makes a call: `answered`, `let through` to an error of the service's own, or `refused`; and what the error says."""
    service, method, parameters = call
    try:
        getattr(session.client(service, region), method)(**parameters)
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code in STRANGERS:
            raise NotKnown(f"{service} {method}: {error}") from error
        return "refused" if code in REFUSALS else "let through", f"{code}: {message}"
    return "answered", ""
