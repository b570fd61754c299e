"""Who may do what."""

from . import Report, policy
from ..plan import Plan, as_list, statements

# Actions for which AWS knows no resource (Service Authorization Reference), and which therefore must name "*".
WITHOUT_RESOURCE = {
    "acm:ListCertificates",
    "cloudwatch:PutMetricData",
    "ecr:GetAuthorizationToken",
    "shield:GetSubscriptionState",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
    # Lambda makes its interfaces under the function's role; the code is denied the same actions.
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
    # Reads of one object each, by the load balancer controller, for which naming certificates would not hold.
    "acm:DescribeCertificate",
    "wafv2:GetWebACLForResource",
}
READS_WITHOUT_RESOURCE = ("ec2:Describe", "ec2:GetSecurityGroupsForVpc", "elasticloadbalancing:Describe")


def may_name_everything(action: str) -> bool:
    """Whether "*" is the only resource that an action can be granted on."""
    return action in WITHOUT_RESOURCE or action.startswith(READS_WITHOUT_RESOURCE)


def role_policies(plan: Plan):
    """Every statement of every role's own policies."""
    for found in plan.of("aws_iam_role_policy"):
        for statement in statements(found.json("policy")):
            yield found, statement


@policy
def no_star_in_role_policies(plan: Plan, report: Report) -> None:
    """No role may do everything of a service, or something to everything, where AWS lets one say less."""
    for found, statement in role_policies(plan):
        if statement["Effect"] != "Allow":
            continue
        report.expect(found, not {"NotAction", "NotResource"} & set(statement), "allows by exclusion")
        actions, resources = as_list(statement.get("Action")), as_list(statement.get("Resource"))
        for action in actions:
            report.expect(found, "*" not in action, f"allows {action}: name each action")
        for resource in resources:
            if resource == "*":
                wide = [action for action in actions if not may_name_everything(action)]
                report.expect(found, not wide, f"allows {', '.join(wide)} on everything")
            else:
                service, account = resource.split(":")[2], resource.split(":")[4]
                aws_own = account == "*" and ":repository/eks/" in resource
                report.expect(
                    found, "*" not in service and ("*" not in account or aws_own), f"reaches other services or accounts: {resource}"
                )


@policy
def no_managed_administration(plan: Plan, report: Report) -> None:
    """No AWS-managed policy but the one that EKS's own control plane needs."""
    for found in plan.of("aws_iam_role_policy_attachment"):
        name = found.get("policy_arn").rsplit("/", 1)[-1]
        report.expect(found, name == "AmazonEKSClusterPolicy", f"attaches {name}")


@policy
def pass_role_names_roles(plan: Plan, report: Report) -> None:
    """A role may be passed only by name and to one service. None at all is fine."""
    for found, statement in role_policies(plan):
        passes = any("iam:passrole" == action.lower() for action in as_list(statement.get("Action")))
        if not passes:
            report.expect(found, True, "")
            continue
        named = all("*" not in resource for resource in as_list(statement["Resource"]))
        service = statement.get("Condition", {}).get("StringEquals", {}).get("iam:PassedToService")
        report.expect(found, named, "passes roles that it does not name")
        report.expect(found, bool(service), "passes roles to any service (no iam:PassedToService)")


@policy
def roles_trust_one_party(plan: Plan, report: Report) -> None:
    """A role trusts one service or one service account; where AWS sends a source, it is checked."""
    confused = {
        "ecs-tasks.amazonaws.com",
        "eks-fargate-pods.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
        "cloudtrail.amazonaws.com",
    }
    for found in plan.of("aws_iam_role"):
        for statement in statements(found.json("assume_role_policy")):
            principal, condition = statement["Principal"], statement.get("Condition", {})
            report.expect(found, principal != "*" and "AWS" not in principal, "may be assumed by other accounts' principals")
            if "Federated" in principal:
                exact = condition.get("StringEquals", {})
                subject = [value for key, value in exact.items() if key.endswith(":sub")]
                audience = [value for key, value in exact.items() if key.endswith(":aud")]
                report.expect(
                    found,
                    len(subject) == 1 and isinstance(subject[0], str) and "*" not in subject[0],
                    "trusts more than one service account",
                )
                report.expect(found, audience == ["sts.amazonaws.com"], "does not check the token's audience")
            elif isinstance(principal, dict) and set(as_list(principal.get("Service"))) & confused:
                keys = {key for part in condition.values() for key in part}
                report.expect(
                    found, bool({"aws:SourceArn", "aws:SourceAccount"} & keys), "does not check whom the service works for"
                )


@policy
def resource_policies_name_who(plan: Plan, report: Report) -> None:
    """Queues, topics, buckets and keys admit nobody without saying who, and no service without saying for whom."""
    for found in plan.of("aws_sqs_queue_policy", "aws_sns_topic_policy", "aws_s3_bucket_policy", "aws_kms_key"):
        for statement in statements(found.json("policy")):
            if statement["Effect"] == "Deny":
                continue
            principal = statement["Principal"]
            everybody = principal == "*" or "*" in as_list(principal.get("AWS") if isinstance(principal, dict) else None)
            report.expect(found, not everybody, f"admits everybody ({statement.get('Sid')})")
            if isinstance(principal, dict) and "Service" in principal:
                keys = {key for part in statement.get("Condition", {}).values() for key in part}
                bound = any(
                    key in ("aws:SourceArn", "aws:SourceAccount") or key.startswith("kms:EncryptionContext:") for key in keys
                )
                # Where AWS knows no such condition, the folder may name the account.
                bound = bound or all(
                    "/AWSLogs/" in resource and resource.split("/AWSLogs/")[1].split("/")[0].isdigit()
                    for resource in as_list(statement["Resource"])
                )
                report.expect(found, bound, f"admits a service for any account ({statement.get('Sid')})")


@policy
def launches_are_bounded(plan: Plan, report: Report) -> None:
    """Who may launch machines may launch only marked ones with IMDSv2, encrypted disks, in named subnets and groups;
    who may stop them, only marked ones. The mark is the installation's own."""
    changes = {"ec2:startinstances", "ec2:stopinstances", "ec2:terminateinstances", "ec2:rebootinstances"}
    for found, statement in role_policies(plan):
        if statement["Effect"] != "Allow":
            continue
        actions = {action.lower() for action in as_list(statement["Action"])}
        flat = {key: value for part in statement.get("Condition", {}).values() for key, value in part.items()}
        if "ec2:runinstances" in actions:
            for resource in as_list(statement["Resource"]):
                kind = resource.split(":", 5)[5].split("/")[0]
                wanted = {
                    "instance": {
                        "aws:RequestTag/cloudapp:managed",
                        "ec2:MetadataHttpTokens",
                        "ec2:MetadataHttpPutResponseHopLimit",
                        "ec2:InstanceType",
                    },
                    "volume": {"aws:RequestTag/cloudapp:managed", "ec2:Encrypted"},
                    "network-interface": {"ec2:Subnet"},
                    "image": {"ec2:Owner"},
                }.get(kind)
                if wanted is None:
                    report.expect(found, kind in ("subnet", "security-group") and "*" not in resource, f"launches with any {kind}")
                else:
                    report.expect(found, wanted <= set(flat), f"launches {kind} without {', '.join(sorted(wanted - set(flat)))}")
            if any(":instance/" in resource for resource in as_list(statement["Resource"])):
                report.expect(found, flat.get("ec2:MetadataHttpTokens") == "required", "launches machines without IMDSv2")
        for mark in (key for key in flat if key.endswith("/cloudapp:managed")):
            # Roles are called after the installation; machines are marked with its name.
            report.expect(found, found.get("role").startswith(f"{flat[mark]}-"), f"{mark} is another installation's: {flat[mark]}")
        if actions & changes:
            report.expect(found, "aws:ResourceTag/cloudapp:managed" in flat, "changes machines that are not CloudApp's")


@policy
def only_one_role_signs(plan: Plan, report: Report) -> None:
    """The SSH certificate authority: P-256 for signing, and every role but one denied."""
    for key in plan.of("aws_kms_key"):
        if key.get("key_usage") != "SIGN_VERIFY":
            continue
        report.expect(key, key.get("customer_master_key_spec") == "ECC_NIST_P256", "is not a P-256 key")
        denies = [
            statement
            for statement in statements(key.json("policy"))
            if statement["Effect"] == "Deny" and "kms:Sign" in as_list(statement["Action"])
        ]
        signers = [statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] for statement in denies]
        report.expect(
            key,
            len(signers) == 1 and isinstance(signers[0], str) and signers[0].endswith("provision-instance"),
            "can be used by roles other than provision-instance's",
        )
