"""moto's server with the calls that the AWS provider makes and moto 5.2.5 does not have.

    python -m cloudapp_checks.emulator PORT

Each addition keeps what it is told and tells it again, no more: enough to show that the provider's requests are well
formed and that Terraform comes to rest, nothing about what AWS would do.
"""

import base64
import datetime
import json
import sys
from collections import OrderedDict

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from moto.applicationautoscaling.responses import ApplicationAutoScalingResponse
from moto.awslambda.models import EventSourceMapping, LambdaBackend
from moto.budgets.responses import BudgetsResponse
from moto.cognitoidp.models import CognitoIdpUserPool
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models import ec2_backends
from moto.eks import urls as eks_urls
from moto.eks.exceptions import ResourceNotFoundException
from moto.eks.responses import EKSResponse
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.kms.responses import KmsResponse
from moto.route53.responses import Route53
from moto.s3.models import FakeBucket
from moto.sqs.models import Queue, sqs_backends


class Repeating:
    """The application, but a call that is asked again gets the answer that it already had.

    moto's server closes every connection, and on a busy machine a reply gets lost now and then. The SDK then asks again
    under the same invocation id; what AWS would often recognise, moto would refuse as a duplicate.
    """

    KEPT = 4096

    def __init__(self, application):
        self.application = application
        self.answers: OrderedDict[str, tuple[str, list, bytes]] = OrderedDict()

    def __call__(self, environ, start_response):
        """WSGI."""
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if call is None:
            return self.application(environ, start_response)
        if call in self.answers:
            status, headers, body = self.answers[call]
            print(f"a reply was lost; said again: {environ['REQUEST_METHOD']} {environ['PATH_INFO']}", flush=True)
            start_response(status, headers)
            return [body]
        said = []

        def listen(status, headers, exc_info=None):
            said[:] = [status, headers]
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        answer = self.application(environ, listen)
        try:
            body = b"".join(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()
        if said[0].startswith("2"):
            self.answers[call] = (said[0], said[1], body)
            while len(self.answers) > self.KEPT:
                self.answers.popitem(last=False)
        return [body]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class _Kept:
    """Things of EKS by cluster and name."""

    def __init__(self) -> None:
        self.addons: dict[tuple[str, str], dict] = {}
        self.entries: dict[tuple[str, str], dict] = {}
        self.policies: dict[tuple[str, str], list[dict]] = {}


KEPT = _Kept()


def _found(things: dict, cluster: str, name: str, what: str):
    if (cluster, name) not in things:
        raise ResourceNotFoundException(clusterName=cluster, message=f"No {what} {name} in cluster {cluster}.")
    return things[cluster, name]


def _arn(response: EKSResponse, kind: str, cluster: str, name: str) -> str:
    return f"arn:aws:eks:{response.region}:{response.current_account}:{kind}/{cluster}/{name}/0"


def create_addon(self: EKSResponse):
    """CreateAddon, UpdateAddon: kept as told, active at once."""
    cluster, name = self._get_param("name"), self._get_param("addonName")
    addon = {
        "addonName": name,
        "clusterName": cluster,
        "status": "ACTIVE",
        "addonVersion": self._get_param("addonVersion") or "v1.12.1-eksbuild.1",
        "addonArn": _arn(self, "addon", cluster, name),
        "createdAt": _now(),
        "modifiedAt": _now(),
        "tags": self._get_param("tags") or {},
        "configurationValues": self._get_param("configurationValues") or "",
        "health": {"issues": []},
    }
    KEPT.addons[cluster, name] = addon
    return ActionResult({"addon": addon})


def describe_addon(self: EKSResponse):
    """DescribeAddon."""
    return ActionResult({"addon": _found(KEPT.addons, self._get_param("name"), self._get_param("addonName"), "add-on")})


def delete_addon(self: EKSResponse):
    """DeleteAddon: gone at once."""
    cluster, name = self._get_param("name"), self._get_param("addonName")
    addon = _found(KEPT.addons, cluster, name, "add-on")
    del KEPT.addons[cluster, name]
    return ActionResult({"addon": {**addon, "status": "DELETING"}})


def create_access_entry(self: EKSResponse):
    """CreateAccessEntry."""
    cluster, principal = self._get_param("name"), self._get_param("principalArn")
    entry = {
        "clusterName": cluster,
        "principalArn": principal,
        "kubernetesGroups": self._get_param("kubernetesGroups") or [],
        "accessEntryArn": _arn(self, "access-entry", cluster, principal),
        "createdAt": _now(),
        "modifiedAt": _now(),
        "tags": self._get_param("tags") or {},
        "username": self._get_param("username") or principal,
        "type": self._get_param("type") or "STANDARD",
    }
    KEPT.entries[cluster, principal] = entry
    KEPT.policies[cluster, principal] = []
    return ActionResult({"accessEntry": entry})


def describe_access_entry(self: EKSResponse):
    """DescribeAccessEntry."""
    return ActionResult(
        {"accessEntry": _found(KEPT.entries, self._get_param("name"), self._get_param("principalArn"), "access entry")}
    )


def delete_access_entry(self: EKSResponse):
    """DeleteAccessEntry."""
    cluster, principal = self._get_param("name"), self._get_param("principalArn")
    _found(KEPT.entries, cluster, principal, "access entry")
    del KEPT.entries[cluster, principal]
    return EmptyResult()


def associate_access_policy(self: EKSResponse):
    """AssociateAccessPolicy."""
    cluster, principal = self._get_param("name"), self._get_param("principalArn")
    policy = {
        "policyArn": self._get_param("policyArn"),
        "accessScope": self._get_param("accessScope"),
        "associatedAt": _now(),
        "modifiedAt": _now(),
    }
    KEPT.policies[cluster, principal].append(policy)
    return ActionResult({"clusterName": cluster, "principalArn": principal, "associatedAccessPolicy": policy})


def list_associated_access_policies(self: EKSResponse):
    """ListAssociatedAccessPolicies."""
    cluster, principal = self._get_param("name"), self._get_param("principalArn")
    policies = _found(KEPT.policies, cluster, principal, "access entry")
    return ActionResult({"clusterName": cluster, "principalArn": principal, "associatedAccessPolicies": policies})


def disassociate_access_policy(self: EKSResponse):
    """DisassociateAccessPolicy."""
    cluster, principal, arn = self._get_param("name"), self._get_param("principalArn"), self._get_param("policyArn")
    KEPT.policies[cluster, principal] = [one for one in KEPT.policies[cluster, principal] if one["policyArn"] != arn]
    return EmptyResult()


def patch_clusters() -> None:
    """What EKS makes beside a cluster: its security group; and how it is accessed, which moto forgets."""
    create, delete = EKSResponse.create_cluster, EKSResponse.delete_cluster

    def with_group(self: EKSResponse):
        answer = create(self)
        cluster = self.eks_backend.clusters[self._get_param("name")]
        ec2 = ec2_backends[self.current_account][self.region]
        vpc = ec2.get_subnet(cluster.resources_vpc_config["subnetIds"][0]).vpc_id
        group = ec2.create_security_group(f"eks-cluster-sg-{cluster.name}", "EKS created security group", vpc)
        cluster.resources_vpc_config = {**cluster.resources_vpc_config, "clusterSecurityGroupId": group.id, "vpcId": vpc}
        cluster.access_config = self._get_param("accessConfig")
        return answer

    def without_group(self: EKSResponse):
        cluster = self.eks_backend.clusters.get(self._get_param("name"))
        answer = delete(self)
        ec2_backends[self.current_account][self.region].delete_security_group(
            group_id=cluster.resources_vpc_config["clusterSecurityGroupId"]
        )
        return answer

    EKSResponse.create_cluster, EKSResponse.delete_cluster = with_group, without_group


def patch_eks() -> None:
    """Add-ons and access entries."""
    for operation in (
        create_addon,
        describe_addon,
        delete_addon,
        create_access_entry,
        describe_access_entry,
        delete_access_entry,
        associate_access_policy,
        list_associated_access_policies,
        disassociate_access_policy,
    ):
        setattr(EKSResponse, operation.__name__, operation)
    EKSResponse.update_addon = create_addon
    cluster = "{0}/clusters/(?P<name>[^/]+)"
    for path in (
        "/addons$",
        "/addons/(?P<addonName>[^/]+)$",
        "/addons/(?P<addonName>[^/]+)/update$",
        "/access-entries$",
        "/access-entries/(?P<principalArn>.+)/access-policies/(?P<policyArn>.+)$",
        "/access-entries/(?P<principalArn>.+)/access-policies$",
        "/access-entries/(?P<principalArn>.+)$",
    ):
        eks_urls.url_paths[cluster + path] = eks_urls.response.dispatch


def patch_autoscaling() -> None:
    """Tags of scalable targets."""
    tags: dict[str, dict] = {}
    register = ApplicationAutoScalingResponse.register_scalable_target

    def keeping_tags(self: ApplicationAutoScalingResponse) -> str:
        answer = register(self)
        arn = json.loads(answer or "{}").get("ScalableTargetARN")
        if arn and self._get_param("Tags"):
            tags[arn] = self._get_param("Tags")
        return answer

    def tag(self: ApplicationAutoScalingResponse) -> str:
        tags.setdefault(self._get_param("ResourceARN"), {}).update(self._get_param("Tags"))
        return "{}"

    def list_tags(self: ApplicationAutoScalingResponse) -> str:
        return json.dumps({"Tags": tags.get(self._get_param("ResourceARN"), {})})

    ApplicationAutoScalingResponse.register_scalable_target = keeping_tags
    ApplicationAutoScalingResponse.tag_resource = tag
    ApplicationAutoScalingResponse.list_tags_for_resource = list_tags


def patch_identity() -> None:
    """moto forgets of a user pool what an update does not repeat, names and tags among it; and its tier."""
    update = CognitoIdpUserPool.update_extended_config

    def merged(self: CognitoIdpUserPool, config: dict) -> None:
        update(self, {"UserPoolTier": "ESSENTIALS", **getattr(self, "extended_config", {}), **(config or {})})

    CognitoIdpUserPool.update_extended_config = merged


def describe_subscribers_for_notification(self: BudgetsResponse) -> str:
    """DescribeSubscribersForNotification: moto keeps them and does not tell."""
    budget = self.backend.budgets[self._get_param("AccountId")][self._get_param("BudgetName")]
    wanted = self._get_param("Notification")
    same = ("NotificationType", "ComparisonOperator", "Threshold", "ThresholdType")
    found = next(one for one in budget.notifications if all(one.details.get(key) == wanted.get(key) for key in same))
    return json.dumps({"Subscribers": found.subscribers, "NextToken": None})


def patch_budgets() -> None:
    """Who hears of a budget, and its tags."""
    tags: dict[str, list[dict]] = {}
    create_budget = BudgetsResponse.create_budget

    def keeping_tags(self: BudgetsResponse) -> str:
        tags[self._get_param("Budget")["BudgetName"]] = self._get_param("ResourceTags") or []
        return create_budget(self)

    def list_tags(self: BudgetsResponse) -> str:
        return json.dumps({"ResourceTags": tags.get(self._get_param("ResourceARN").rsplit("/", 1)[-1], [])})

    BudgetsResponse.create_budget = keeping_tags
    BudgetsResponse.list_tags_for_resource = list_tags
    BudgetsResponse.describe_subscribers_for_notification = describe_subscribers_for_notification


def patch_queues() -> None:
    """moto neither tells a queue's redrive-allow policy, nor keeps its policy when another attribute is set."""
    Queue.BASE_ATTRIBUTES.append("RedriveAllowPolicy")
    Queue.redrive_allow_policy = None
    set_attributes = Queue._set_attributes

    def keeping_the_policy(self: Queue, attributes: dict, now=None) -> None:
        before = getattr(self, "policy", None)
        set_attributes(self, attributes, now)
        if "Policy" not in attributes:
            self.policy = before
        self.redrive_allow_policy = self.redrive_allow_policy or None

    Queue._set_attributes = keeping_the_policy


def patch_event_sources() -> None:
    """moto would run the mapped function in Docker, with each message and while it is being sent. Whoever runs
    the functions reads their queues."""
    create = LambdaBackend.create_event_source_mapping

    def without_a_reader(self: LambdaBackend, spec: dict) -> EventSourceMapping:
        mapping = create(self, spec)
        for queue in sqs_backends[self.account_id][self.region_name].queues.values():
            queue.lambda_event_source_mappings.pop(mapping.function_arn, None)
        return mapping

    LambdaBackend.create_event_source_mapping = without_a_reader


def patch_buckets() -> None:
    """moto applies a bucket's policy without its conditions, so that what refuses plain HTTP would refuse everything.
    Statements that have some say nothing instead."""

    def get_permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        document = json.loads(self.policy)
        statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        unconditional = [one for one in statements if "Condition" not in one]
        return IAMPolicy(json.dumps({**document, "Statement": unconditional})).is_action_permitted(action, resource)

    FakeBucket.get_permission = get_permission


def patch_keys() -> None:
    """moto takes a digest that is to be signed for a message, and hashes it once more."""
    sign = KmsResponse.sign

    def sign_digest(self: KmsResponse) -> str:
        algorithm = self._get_param("SigningAlgorithm")
        if (self._get_param("MessageType"), algorithm) != ("DIGEST", "ECDSA_SHA_256"):
            return sign(self)
        key = self.kms_backend.describe_key(self._get_param("KeyId"))
        # moto's own key, and the one inside it.
        signature = key.private_key.private_key.sign(self._get_param("Message"), ec.ECDSA(Prehashed(hashes.SHA256())))
        return json.dumps(
            {"KeyId": key.arn, "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": algorithm}
        )

    KmsResponse.sign = sign_digest


def patch_zones() -> None:
    """A zone that is made with a VPC is private; moto wants to be told so as well."""
    create = Route53.create_hosted_zone

    def private_with_a_vpc(self: Route53):
        if self._get_param("VPC.VPCId"):
            ask = self._get_bool_param
            self._get_bool_param = lambda name, default=None: name == "HostedZoneConfig.PrivateZone" or ask(name, default)
        return create(self)

    Route53.create_hosted_zone = private_with_a_vpc


def main() -> None:
    """Serves on loopback until it is told to end."""
    patch_clusters()
    patch_eks()
    patch_autoscaling()
    patch_budgets()
    patch_queues()
    patch_event_sources()
    patch_buckets()
    patch_keys()
    patch_zones()
    patch_identity()
    from moto import server

    run = server.run_simple
    server.run_simple = lambda host, port, application, **options: run(host, port, Repeating(application), **options)
    server.main(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
