"""Each role asked: what its part needs is allowed; at least ten things that it must not do are refused.

Needs are what the programs really call (services/, lambdas/, web/); every call carries the context that AWS would give.
"""

from dataclasses import dataclass

from .evaluator import Decision, Request, decide, decide_all, denied_by_key
from .plan import Plan

MANAGED = {"aws:ResourceTag/cloudapp:managed": "true"}


@dataclass(frozen=True)
class Names:
    """ARNs of what exists, by short names."""

    account: str
    region: str
    subnets: list[str]
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


def names(plan: Plan, values: dict) -> Names:
    """From the state and the chart's values."""
    def one(kind: str, attribute: str, part: str = "") -> str:
        found = [resource.get(attribute) for resource in plan.of(kind) if part in resource.address]
        if len(found) != 1:
            raise LookupError(f"{len(found)} of {kind} {part}")
        return found[0]

    keys = {key.get("description").removeprefix("CloudApp: "): key.get("arn") for key in plan.of("aws_kms_key")}
    keys["ssh_ca"] = values["provisionInstance"]["sshCaKeyId"]
    return Names(
        account=values["aws"]["accountId"], region=values["aws"]["region"],
        subnets=values["provisionInstance"]["subnets"], group=values["provisionInstance"]["securityGroups"][0],
        pool=one("aws_cognito_user_pool", "arn"), keys=keys, cluster_resource=one("aws_rds_cluster", "cluster_resource_id"),
        master_secret=values["database"]["adminSecretArn"], session_secret=one("aws_secretsmanager_secret", "arn"),
    )


def launch(n: Names, **changes) -> list[Request]:
    """RunInstances as provision-instance asks for it: one question for each resource that takes part."""
    it = {
        "tags": {"aws:RequestTag/cloudapp:managed": "true"}, "type": "t3.micro", "tokens": "required", "hops": "1",
        "encrypted": "true", "volume": "gp3", "gib": "20", "subnet": n.subnets[0], "group": n.group, "owner": "amazon", **changes,
    }
    subnet = n.of("ec2", f"subnet/{it['subnet']}")
    parts = [
        (n.of("ec2", "instance/i-new"), {**it["tags"], "ec2:InstanceType": it["type"], "ec2:MetadataHttpTokens": it["tokens"],
                                         "ec2:MetadataHttpPutResponseHopLimit": it["hops"]}),
        (n.of("ec2", "volume/vol-new"), {**it["tags"], "ec2:Encrypted": it["encrypted"], "ec2:VolumeType": it["volume"], "ec2:VolumeSize": it["gib"]}),
        (n.of("ec2", "network-interface/eni-new"), {"ec2:Subnet": subnet}),
        (subnet, {}), (n.of("ec2", f"security-group/{it['group']}"), {}),
        (f"arn:aws:ec2:{n.region}::image/ami-1", {"ec2:Owner": it["owner"]}),
    ]
    return [Request("ec2:RunInstances", resource, context) for resource, context in parts]


def via(service: str, n: Names) -> dict:
    """What KMS sees of a call that a service makes for somebody."""
    return {"kms:ViaService": f"{service}.{n.region}.amazonaws.com"}


def everybody_is_refused(n: Names) -> list[list[Request]]:
    """What no part may do."""
    single = [
        Request("iam:CreateUser", f"arn:aws:iam::{n.account}:user/x"),
        Request("iam:AttachRolePolicy", f"arn:aws:iam::{n.account}:role/cloudapp-web-task"),
        Request("iam:PassRole", f"arn:aws:iam::{n.account}:role/admin", {"iam:PassedToService": "ec2.amazonaws.com"}),
        Request("sts:AssumeRole", f"arn:aws:iam::{n.account}:role/cloudapp-provision-instance"),
        Request("kms:ScheduleKeyDeletion", n.keys["ssh_ca"]),
        Request("kms:Decrypt", n.keys["database"]),
        Request("s3:DeleteObject", n.bucket("events", "instance_events/tier=live/dt=2026-01-01/x.parquet")),
        Request("s3:PutBucketPolicy", n.bucket("events")),
        Request("s3:GetObject", n.bucket("trail", "AWSLogs/x")),
        Request("cloudtrail:StopLogging", n.of("cloudtrail", "trail/cloudapp")),
        Request("ec2:TerminateInstances", n.of("ec2", "instance/i-1")),
        Request("ec2:TerminateInstances", n.of("ec2", "instance/i-1"), {"aws:ResourceTag/cloudapp:managed": "false"}),
        Request("ec2:AuthorizeSecurityGroupIngress", n.of("ec2", f"security-group/{n.group}")),
        Request("rds-db:connect", n.database_user("cloudapp_admin")),
        Request("rds:DeleteDBCluster", n.of("rds", "cluster:cloudapp")),
        Request("sqs:PurgeQueue", n.of("sqs", "cloudapp-login")),
        Request("logs:DeleteLogGroup", n.of("logs", "log-group:/cloudapp/eks")),
        Request("cognito-idp:AdminSetUserPassword", n.pool),
    ]
    return [[request] for request in single]


def cases(n: Names) -> dict[str, tuple[list[list[Request]], list[list[Request]]]]:
    """Role to what it needs and what, beside `everybody_is_refused`, it must not do. Each inner list is one call."""
    def calls(*requests: Request) -> list[list[Request]]:
        return [[request] for request in requests]

    def connect(user: str) -> Request:
        return Request("rds-db:connect", n.database_user(user))

    login, events = n.of("sqs", "cloudapp-login"), n.of("sqs", "cloudapp-instance-events")
    admin_topic = n.of("sns", "cloudapp-admin")
    machine = n.of("ec2", "instance/i-1")
    here = {"aws:RequestedRegion": n.region}
    sign = {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
    workgroup, glue = n.of("athena", "workgroup/cloudapp"), n.of("glue", "table/cloudapp/instance_events")
    session = Request("secretsmanager:GetSecretValue", n.session_secret)
    master = Request("secretsmanager:GetSecretValue", n.master_secret)

    return {
        "cloudapp-configure-instance": (
            calls(connect("configure")),
            calls(connect("provision"), connect("login"), connect("stop_ec2"), master, session,
                  Request("sqs:SendMessage", login), Request("ec2:DescribeInstances", "*", here), Request("kms:Sign", n.keys["ssh_ca"], sign),
                  Request("s3:GetObject", n.bucket("events", "instance_events/x")), Request("sns:Publish", admin_topic)),
        ),
        "cloudapp-provision-instance": (
            [launch(n), launch(n, type="m7i.4xlarge", subnet=n.subnets[2], owner=n.account)] + calls(
                connect("provision"),
                Request("ssm:GetParameters", f"arn:aws:ssm:{n.region}::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"),
                Request("ec2:CreateTags", n.of("ec2", "instance/i-new"), {"ec2:CreateAction": "RunInstances", "aws:TagKeys": ["cloudapp:managed", "Team"]}),
                Request("ec2:CreateTags", n.of("ec2", "volume/vol-new"), {"ec2:CreateAction": "RunInstances", "aws:TagKeys": ["cloudapp:managed"]}),
                Request("ec2:CreateTags", machine, {**MANAGED, "aws:TagKeys": ["cloudapp:owner"]}),
                Request("ec2:StartInstances", machine, MANAGED), Request("ec2:StopInstances", machine, MANAGED),
                Request("ec2:TerminateInstances", machine, MANAGED), Request("ec2:GetConsoleOutput", machine, MANAGED),
                Request("ec2:DescribeInstances", "*", here), Request("ec2:DescribeImages", "*", here), Request("ec2:DescribeSubnets", "*", here),
                Request("sqs:SendMessage", login), Request("sqs:ReceiveMessage", events), Request("sqs:DeleteMessage", events),
                Request("kms:GenerateDataKey", n.keys["data"], via("sqs", n)), Request("kms:Decrypt", n.keys["data"], via("sqs", n)),
                Request("sns:Publish", admin_topic), Request("kms:GenerateDataKey", n.keys["data"], via("sns", n)),
                Request("s3:PutObject", n.bucket("events", "instance_events/tier=live/dt=2026-01-01/x.parquet")),
                Request("kms:GenerateDataKey", n.keys["data"], via("s3", n)),
                Request("kms:Sign", n.keys["ssh_ca"], sign), Request("kms:GetPublicKey", n.keys["ssh_ca"]),
            ),
            [launch(n, tags={}), launch(n, tokens="optional"), launch(n, hops="2"), launch(n, encrypted="false"), launch(n, type="p5.48xlarge"),
             launch(n, subnet="subnet-elsewhere"), launch(n, group="sg-database"), launch(n, owner="210987654321"), launch(n, gib="2000"),
             launch(n, volume="io2")] + calls(
                connect("configure"), connect("login"), master, session,
                Request("ec2:CreateTags", machine, {"aws:TagKeys": ["cloudapp:managed"]}),
                Request("ec2:CreateTags", machine, {**MANAGED, "aws:TagKeys": ["cloudapp:managed"]}),
                Request("ec2:CreateTags", machine, {**MANAGED, "aws:TagKeys": ["cloudapp:owner", "Name"]}),
                Request("ec2:DeleteTags", machine, MANAGED), Request("ec2:ModifyInstanceAttribute", machine, MANAGED),
                Request("ec2:DescribeInstances", "*", {"aws:RequestedRegion": "us-west-2"}),
                Request("kms:Sign", n.keys["ssh_ca"], {**sign, "kms:MessageType": "RAW"}), Request("kms:Sign", n.keys["ssh_ca"]),
                Request("kms:Decrypt", n.keys["data"], via("secretsmanager", n)), Request("sqs:ReceiveMessage", login),
                Request("s3:GetObject", n.bucket("events", "instance_events/x")), Request("s3:PutObject", n.bucket("events", "elsewhere/x")),
                Request("ssm:GetParameters", n.of("ssm", "parameter/secret")), Request("sns:Publish", n.of("sns", "cloudapp-events"))),
        ),
        "cloudapp-view-stats": (
            calls(*(Request(f"athena:{action}", workgroup) for action in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "StopQueryExecution")),
                  Request("glue:GetTable", glue), Request("glue:GetTable", n.of("glue", "catalog")), Request("glue:GetDatabase", n.of("glue", "database/cloudapp")),
                  Request("s3:GetObject", n.bucket("events", "instance_events/tier=daily/dt=2026-01-01/x.parquet")), Request("s3:ListBucket", n.bucket("events")),
                  Request("s3:PutObject", n.bucket("athena-results", "q.csv")), Request("s3:GetObject", n.bucket("athena-results", "q.csv")),
                  Request("s3:GetBucketLocation", n.bucket("athena-results")), Request("kms:Decrypt", n.keys["data"], via("s3", n)),
                  Request("kms:GenerateDataKey", n.keys["data"], via("s3", n))),
            calls(connect("provision"), connect("configure"), master, Request("s3:PutObject", n.bucket("events", "instance_events/x")),
                  Request("athena:StartQueryExecution", n.of("athena", "workgroup/primary")), Request("athena:UpdateWorkGroup", workgroup),
                  Request("glue:DeleteTable", glue), Request("glue:GetTable", n.of("glue", "table/other/secrets")),
                  Request("s3:GetObject", n.bucket("first-seen", "first-seen/x")), Request("kms:Decrypt", n.keys["data"], via("sqs", n)),
                  Request("ec2:DescribeInstances", "*", here)),
        ),
        "cloudapp-operate": (
            calls(connect("configure"), connect("provision"), connect("login"), master, Request("kms:Decrypt", n.keys["database"], via("secretsmanager", n))),
            calls(connect("stop_ec2"), session, Request("kms:Decrypt", n.keys["database"], via("rds", n)), Request("kms:Decrypt", n.keys["data"], via("secretsmanager", n)),
                  Request("secretsmanager:PutSecretValue", n.master_secret), Request("secretsmanager:ListSecrets", "*"),
                  Request("ec2:DescribeInstances", "*", here), Request("sqs:SendMessage", login), Request("kms:Sign", n.keys["ssh_ca"], sign),
                  Request("s3:GetObject", n.bucket("events", "instance_events/x"))),
        ),
        "cloudapp-telemetry": (
            calls(Request("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "CloudApp"}), Request("xray:PutTraceSegments", "*"),
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/metrics:log-stream:a"))),
            calls(Request("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/SQS"}), Request("cloudwatch:DeleteAlarms", n.of("cloudwatch", "alarm:x")),
                  Request("cloudwatch:SetAlarmState", n.of("cloudwatch", "alarm:x")), Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/trail:log-stream:a")),
                  Request("logs:GetLogEvents", n.of("logs", "log-group:/cloudapp/eks:log-stream:a")), connect("provision"), master, session,
                  Request("xray:GetTraceSummaries", "*"), Request("sns:Publish", admin_topic)),
        ),
        "cloudapp-auth": (
            calls(Request("s3:GetObject", n.bucket("first-seen", "first-seen/sub")), Request("s3:PutObject", n.bucket("first-seen", "first-seen/sub")),
                  Request("s3:ListBucket", n.bucket("first-seen"), {"s3:prefix": "first-seen/sub"}), Request("sns:Publish", admin_topic),
                  Request("cognito-idp:AdminGetUser", n.pool), Request("kms:GenerateDataKey", n.keys["data"], via("s3", n)), Request("kms:Decrypt", n.keys["data"], via("s3", n)),
                  Request("kms:GenerateDataKey", n.keys["data"], via("sns", n)), Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-auth:log-stream:a")),
                  Request("xray:PutTraceSegments", "*")),
            calls(Request("cognito-idp:AdminAddUserToGroup", n.pool), Request("cognito-idp:AdminDeleteUser", n.pool), Request("cognito-idp:ListUsers", n.pool),
                  Request("cognito-idp:AdminGetUser", n.of("cognito-idp", "userpool/other")), Request("s3:DeleteObject", n.bucket("first-seen", "first-seen/sub")),
                  Request("s3:GetObject", n.bucket("events", "instance_events/x")), Request("sns:Publish", n.of("sns", "other")), connect("login"), master,
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-stop-ec2:log-stream:a")), Request("ec2:CreateNetworkInterface", "*")),
        ),
        "cloudapp-login-poller": (
            calls(connect("login"), *(Request(f"sqs:{action}", login) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")),
                  Request("kms:Decrypt", n.keys["data"], via("sqs", n)), Request("ec2:CreateNetworkInterface", "*"),
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-login-poller:log-stream:a"))),
            calls(connect("provision"), connect("stop_ec2"), connect("configure"), Request("sqs:SendMessage", login), Request("sqs:ReceiveMessage", events),
                  Request("sqs:ReceiveMessage", f"{login}-dlq"), Request("kms:Sign", n.keys["ssh_ca"], sign), Request("ec2:StopInstances", machine, MANAGED), master,
                  Request("ec2:CreateNetworkInterface", "*", {"lambda:SourceFunctionArn": n.of("lambda", "function:cloudapp-login-poller")})),
        ),
        "cloudapp-stop-ec2": (
            calls(connect("stop_ec2"), Request("ec2:StopInstances", machine, MANAGED), Request("ec2:TerminateInstances", machine, MANAGED), Request("sqs:SendMessage", events),
                  Request("kms:GenerateDataKey", n.keys["data"], via("sqs", n)), Request("ec2:CreateNetworkInterface", "*"),
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-stop-ec2:log-stream:a"))),
            [launch(n)] + calls(
                connect("provision"), connect("login"), Request("ec2:StopInstances", machine), Request("ec2:StartInstances", machine, MANAGED),
                Request("ec2:RebootInstances", machine, MANAGED), Request("sqs:SendMessage", login), Request("sqs:ReceiveMessage", events),
                Request("ec2:DeleteNetworkInterface", "*", {"lambda:SourceFunctionArn": n.of("lambda", "function:cloudapp-stop-ec2")}),
                Request("kms:Sign", n.keys["ssh_ca"], sign), master),
        ),
        "cloudapp-web-task": (
            calls(*(Request(f"cognito-idp:{action}", n.pool) for action in (
                "AdminCreateUser", "AdminDeleteUser", "AdminEnableUser", "AdminDisableUser", "AdminGetUser", "ListUsers", "DescribeUserPool",
                "AdminAddUserToGroup", "AdminRemoveUserFromGroup", "AdminListGroupsForUser", "AdminUserGlobalSignOut"))),
            calls(Request("cognito-idp:UpdateUserPool", n.pool), Request("cognito-idp:CreateGroup", n.pool), Request("cognito-idp:AdminCreateUser", n.of("cognito-idp", "userpool/other")),
                  Request("cognito-idp:UpdateUserPoolClient", n.pool), session, master, connect("configure"), connect("provision"), Request("sqs:SendMessage", login),
                  Request("ec2:DescribeInstances", "*", here), Request("s3:GetObject", n.bucket("events", "instance_events/x")), Request("kms:Sign", n.keys["ssh_ca"], sign)),
        ),
        "cloudapp-web-execution": (
            calls(session, Request("kms:Decrypt", n.keys["data"], via("secretsmanager", n)), Request("ecr:GetAuthorizationToken", "*"),
                  Request("ecr:BatchGetImage", n.of("ecr", "repository/cloudapp/web")), Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/web:log-stream:a"))),
            calls(master, Request("kms:Decrypt", n.keys["data"], via("s3", n)), Request("ecr:PutImage", n.of("ecr", "repository/cloudapp/web")),
                  Request("ecr:BatchGetImage", n.of("ecr", "repository/cloudapp/operate")), Request("secretsmanager:PutSecretValue", n.session_secret),
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/trail:log-stream:a")), Request("cognito-idp:AdminCreateUser", n.pool), connect("configure"),
                  Request("s3:GetObject", n.bucket("first-seen", "first-seen/x")), Request("sqs:SendMessage", login)),
        ),
        "cloudapp-eks-fargate": (
            calls(Request("ecr:GetAuthorizationToken", "*"), Request("ecr:BatchGetImage", n.of("ecr", "repository/cloudapp/provision-instance")),
                  Request("ecr:GetDownloadUrlForLayer", f"arn:aws:ecr:{n.region}:602401143452:repository/eks/coredns"),
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/eks:log-stream:a"))),
            calls(Request("ecr:PutImage", n.of("ecr", "repository/cloudapp/web")), Request("ecr:BatchGetImage", n.of("ecr", "repository/other")),
                  Request("ecr:BatchGetImage", f"arn:aws:ecr:{n.region}:210987654321:repository/other"), Request("ecr:DeleteRepository", n.of("ecr", "repository/cloudapp/web")),
                  Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/trail:log-stream:a")), connect("provision"), master, session,
                  Request("sqs:SendMessage", login), Request("kms:Sign", n.keys["ssh_ca"], sign)),
        ),
        "cloudapp-aws-load-balancer-controller": _controller(n, calls),
    }


def _controller(n: Names, calls) -> tuple[list[list[Request]], list[list[Request]]]:
    mark, ours = {"aws:RequestTag/elbv2.k8s.aws/cluster": "cloudapp"}, {"aws:ResourceTag/elbv2.k8s.aws/cluster": "cloudapp"}
    here = {"aws:RequestedRegion": n.region}
    elb = lambda rest: n.of("elasticloadbalancing", rest)  # noqa: E731
    balancer, listener = elb("loadbalancer/app/cloudapp-services/50dc6c495c0c9188"), elb("listener/app/cloudapp-services/50dc6c495c0c9188/f2f7dc8efc522ab2")
    rule, group = elb("listener-rule/app/cloudapp-services/50dc/f2f7/9683"), elb("targetgroup/k8s-cloudapp-provisio-1a2b3c/73e2d6bc24d8a067")
    public = elb("loadbalancer/app/cloudapp-web/50dc6c495c0c9188")
    tagging = lambda create: {"elasticloadbalancing:CreateAction": create}  # noqa: E731
    e = "elasticloadbalancing:"
    return (
        calls(Request(e + "CreateLoadBalancer", balancer, mark), Request(e + "CreateTargetGroup", group, mark), Request(e + "CreateListener", balancer),
              Request(e + "CreateRule", listener), Request(e + "AddTags", balancer, tagging("CreateLoadBalancer")), Request(e + "AddTags", group, tagging("CreateTargetGroup")),
              Request(e + "AddTags", rule, tagging("CreateRule")), Request(e + "ModifyRule", rule, ours), Request(e + "ModifyListener", listener, ours),
              Request(e + "RegisterTargets", group, ours), Request(e + "DeregisterTargets", group, ours), Request(e + "DeleteLoadBalancer", balancer, ours),
              Request(e + "SetSecurityGroups", balancer, ours), Request(e + "SetSubnets", balancer, ours), Request(e + "DeleteTargetGroup", group, ours),
              Request(e + "DescribeLoadBalancers", "*", here), Request("ec2:DescribeSubnets", "*", here), Request("acm:DescribeCertificate", "*", here),
              Request("wafv2:AssociateWebACL", balancer)),
        calls(Request(e + "DeleteLoadBalancer", public, {}), Request(e + "DeleteLoadBalancer", public, ours), Request(e + "ModifyListener", elb("listener/app/cloudapp-web/1/2")),
              Request(e + "CreateLoadBalancer", elb("loadbalancer/app/another/1"), mark), Request(e + "CreateLoadBalancer", balancer), Request(e + "RegisterTargets", group),
              Request(e + "DeleteLoadBalancer", balancer, {"aws:ResourceTag/elbv2.k8s.aws/cluster": "another"}), Request("ec2:CreateSecurityGroup", "*"),
              Request("ec2:RevokeSecurityGroupIngress", n.of("ec2", f"security-group/{n.group}")), Request("ec2:CreateTags", n.of("ec2", "instance/i-1")),
              Request("wafv2:AssociateWebACL", public), Request("wafv2:DeleteWebACL", "*"), Request("iam:CreateServiceLinkedRole", f"arn:aws:iam::{n.account}:role/aws-service-role/spot.amazonaws.com/x"),
              Request("acm:DeleteCertificate", "*", here), Request("shield:CreateProtection", "*")),
    )


def judge(plan: Plan, values: dict) -> tuple[list[str], int, int]:
    """Wrong answers, and how many right ones: allowed, refused."""
    n = names(plan, values)
    documents: dict[str, list[dict]] = {}
    for found in plan.of("aws_iam_role_policy"):
        documents.setdefault(found.get("role"), []).append(found.json("policy"))
    table, wrong, allowed, refused = cases(n), [], 0, 0
    # EC2's flow logs, CloudTrail and EKS itself use these; no program of ours runs under them.
    unasked = set(documents) - set(table) - {"cloudapp-vpc-flows", "cloudapp-trail"}
    wrong += [f"{role}: nobody asks what it may do; add it to roles.py" for role in sorted(unasked)]
    for role, (needs, must_not) in table.items():
        if role not in documents:
            wrong.append(f"{role}: is not there")
            continue
        for call in needs:
            decision = decide_all(documents[role], call)
            allowed += decision is Decision.ALLOWED
            if decision is not Decision.ALLOWED:
                missing = next(request for request in call if decide(documents[role], request) is not Decision.ALLOWED)
                wrong.append(f"{role} needs {missing.action} on {missing.resource} with {missing.context}: {decision.value}")
        refusals = must_not + everybody_is_refused(n)
        if len(must_not) < 10:
            wrong.append(f"{role}: only {len(must_not)} refusals of its own are asked; ten are wanted")
        for call in refusals:
            decision = decide_all(documents[role], call)
            refused += decision is not Decision.ALLOWED
            if decision is Decision.ALLOWED:
                wrong.append(f"{role} may {call[0].action} on {call[0].resource} with {call[0].context}, and must not")
    return wrong + _authority(plan, n), allowed, refused


def _authority(plan: Plan, n: Names) -> list[str]:
    """The certificate authority's own policy holds against administrators, too."""
    policy = next(key.json("policy") for key in plan.of("aws_kms_key") if key.get("arn") == n.keys["ssh_ca"])
    role = f"arn:aws:iam::{n.account}:role/"
    wrong = [f"{who} may sign login certificates" for who in ("admin", "cloudapp-configure-instance", "cloudapp-web-task", "cloudapp-operate")
             if not denied_by_key(policy, "kms:Sign", role + who)]
    if denied_by_key(policy, "kms:Sign", role + "cloudapp-provision-instance"):
        wrong.append("provision-instance cannot sign login certificates")
    return wrong
