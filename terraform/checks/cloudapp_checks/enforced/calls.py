"""A request of the tables as the call that makes it: which operation, with which parameters.

The operation is the action's own name but where S3 names them differently; the parameters name the request's resource and
carry what its context says. Everything else in them is what the API insists on.
"""

from collections.abc import Callable

from botocore import xform_name

from ..evaluator import Request, matches

CLIENTS = {"elasticloadbalancing": "elbv2"}
OPERATIONS = {"s3:ListBucket": "list_objects_v2"}


class NoCall(Exception):
    """Nothing here says how an action is called."""


def rest(arn: str) -> str:
    """What an ARN says after the account: `role/x`, `cloudapp-login`; of `*`, `x`."""
    return arn.split(":", 5)[5] if arn.startswith("arn:") else "x"


def name(arn: str) -> str:
    """The last part of an ARN: what calls its resource by."""
    return rest(arn).rsplit(":", 1)[-1].split("/", 1)[-1]


def tags_of(context: dict) -> list[dict]:
    """The tags that the call sets: those of the context, and any value for what is named only as a key."""
    prefix = "aws:RequestTag/"
    tags = {key.removeprefix(prefix): value for key, value in context.items() if key.startswith(prefix)}
    named = dict.fromkeys(context.get("aws:TagKeys", []), "x")
    return [{"Key": key, "Value": value} for key, value in (named | tags).items()]


def _object(r: Request) -> dict:
    bucket, key = rest(r.resource).split("/", 1)
    return {"Bucket": bucket, "Key": key}


def _queue(r: Request, **more) -> dict:
    _, _, _, _, account, queue = r.resource.split(":")
    return {"QueueUrl": f"http://sqs/{account}/{queue}", **more}


def _pool(**more) -> Callable[[Request], dict]:
    return lambda r: {"UserPoolId": name(r.resource), **more}


def _user(**more) -> Callable[[Request], dict]:
    """Each action has a user of its own, so that one that deletes takes nothing from the others."""
    return lambda r: {"UserPoolId": name(r.resource), "Username": user(r.action), **more}


def user(action: str) -> str:
    """The user that an action is tried on."""
    return action.split(":")[1].lower() + "@example.com"


def _run(r: Request) -> dict:
    # A subnet, a group or an image: MiniStack looks at the first of them that a call names.
    kind, what = rest(r.resource).split("/", 1)
    named = {"subnet": {"SubnetId": what}, "security-group": {"SecurityGroupIds": [what]}, "image": {}}.get(kind)
    if named is None:
        raise NoCall(f"{r.action} on {r.resource}")
    return {"ImageId": what if kind == "image" else "ami-1", "MinCount": 1, "MaxCount": 1, **named}


def _group_rule(r: Request) -> dict:
    return {"GroupId": name(r.resource), "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIp": "203.0.113.0/24"}


def _instances(r: Request) -> dict:
    return {"InstanceIds": [name(r.resource)]}


def _tags(r: Request) -> dict:
    return {"Resources": [name(r.resource)], "Tags": tags_of(r.context) or [{"Key": "x", "Value": "x"}]}


def _repository(r: Request) -> dict:
    account, repository = r.resource.split(":")[4], name(r.resource)
    return {"registryId": account, "repositoryName": repository}


def _log_stream(r: Request) -> dict:
    group, _, stream = rest(r.resource).removeprefix("log-group:").partition(":log-stream:")
    return {"logGroupName": group, **({"logStreamName": stream} if stream else {})}


def _sign(r: Request) -> dict:
    return {
        "KeyId": r.resource,
        "Message": b"x" * 32,
        "MessageType": r.context.get("kms:MessageType", "DIGEST"),
        "SigningAlgorithm": r.context.get("kms:SigningAlgorithm", "ECDSA_SHA_256"),
    }


def _table(r: Request) -> dict:
    _, database, table = rest(r.resource).split("/") if "/" in rest(r.resource) else ("", "cloudapp", "instance_events")
    return {"DatabaseName": database, "Name": table}


def _execution(r: Request) -> dict:
    return {"QueryExecutionId": "11111111-2222-3333-4444-555555555555"}


def _balancer(r: Request) -> dict:
    return {"LoadBalancerArn": r.resource}


def _target_group(r: Request) -> dict:
    return {"TargetGroupArn": r.resource, "Targets": [{"Id": "10.0.0.1"}]}


ANSWER = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}]
PARAMETERS: dict[str, Callable[[Request], dict]] = {
    "acm:*": lambda r: {"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/x"},
    "athena:StartQueryExecution": lambda r: {"QueryString": "SELECT 1", "WorkGroup": name(r.resource)},
    "athena:UpdateWorkGroup": lambda r: {"WorkGroup": name(r.resource)},
    "athena:*": _execution,
    "cloudtrail:StopLogging": lambda r: {"Name": name(r.resource)},
    "cloudwatch:DeleteAlarms": lambda r: {"AlarmNames": [name(r.resource)]},
    "cloudwatch:SetAlarmState": lambda r: {"AlarmName": name(r.resource), "StateValue": "OK", "StateReason": "x"},
    "cloudwatch:PutMetricData": lambda r: {
        "Namespace": r.context["cloudwatch:namespace"],
        "MetricData": [{"MetricName": "x", "Value": 1}],
    },
    "cognito-idp:AdminCreateUser": _user(MessageAction="SUPPRESS"),
    "cognito-idp:AdminSetUserPassword": _user(Password="Correct-horse-7"),
    "cognito-idp:AdminAddUserToGroup": _user(GroupName="admins"),
    "cognito-idp:AdminRemoveUserFromGroup": _user(GroupName="admins"),
    "cognito-idp:Admin*": _user(),
    "cognito-idp:CreateGroup": _pool(GroupName="x"),
    "cognito-idp:UpdateUserPoolClient": _pool(ClientId="x"),
    "cognito-idp:*": _pool(),
    "ec2:AuthorizeSecurityGroupIngress": _group_rule,
    "ec2:RevokeSecurityGroupIngress": _group_rule,
    "ec2:CreateNetworkInterface": lambda r: {"SubnetId": "subnet-1"},
    "ec2:DeleteNetworkInterface": lambda r: {"NetworkInterfaceId": "eni-1"},
    "ec2:CreateSecurityGroup": lambda r: {"GroupName": "x", "Description": "x"},
    "ec2:CreateTags": _tags,
    "ec2:DeleteTags": _tags,
    "ec2:Describe*": lambda r: {},
    "ec2:GetConsoleOutput": lambda r: {"InstanceId": name(r.resource)},
    "ec2:ModifyInstanceAttribute": lambda r: {"InstanceId": name(r.resource), "DisableApiTermination": {"Value": False}},
    "ec2:RunInstances": _run,
    "ec2:*Instances": _instances,
    "ecr:GetAuthorizationToken": lambda r: {},
    "ecr:BatchGetImage": lambda r: {**_repository(r), "imageIds": [{"imageTag": "1"}]},
    "ecr:GetDownloadUrlForLayer": lambda r: {**_repository(r), "layerDigest": "sha256:" + "0" * 64},
    "ecr:PutImage": lambda r: {**_repository(r), "imageManifest": "{}"},
    "ecr:DeleteRepository": _repository,
    "elasticloadbalancing:AddTags": lambda r: {"ResourceArns": [r.resource], "Tags": [{"Key": "x", "Value": "x"}]},
    "elasticloadbalancing:CreateListener": lambda r: {**_balancer(r), "DefaultActions": ANSWER, "Port": 80, "Protocol": "HTTP"},
    "elasticloadbalancing:CreateLoadBalancer": lambda r: {
        "Name": rest(r.resource).split("/")[2],
        **({"Tags": tags_of(r.context)} if r.context else {}),
    },
    "elasticloadbalancing:CreateTargetGroup": lambda r: {"Name": rest(r.resource).split("/")[1], "Tags": tags_of(r.context)},
    "elasticloadbalancing:CreateRule": lambda r: {
        "ListenerArn": r.resource,
        "Priority": 1,
        "Conditions": [{"Field": "path-pattern", "Values": ["/x"]}],
        "Actions": ANSWER,
    },
    "elasticloadbalancing:ModifyRule": lambda r: {"RuleArn": r.resource},
    "elasticloadbalancing:ModifyListener": lambda r: {"ListenerArn": r.resource},
    "elasticloadbalancing:DeleteTargetGroup": lambda r: {"TargetGroupArn": r.resource},
    "elasticloadbalancing:*Targets": _target_group,
    "elasticloadbalancing:SetSecurityGroups": lambda r: {**_balancer(r), "SecurityGroups": ["sg-1"]},
    "elasticloadbalancing:SetSubnets": lambda r: {**_balancer(r), "Subnets": ["subnet-1"]},
    "elasticloadbalancing:DeleteLoadBalancer": _balancer,
    "elasticloadbalancing:DescribeLoadBalancers": lambda r: {},
    "glue:*Table": _table,
    "glue:GetDatabase": lambda r: {"Name": name(r.resource)},
    "iam:CreateUser": lambda r: {"UserName": name(r.resource)},
    "iam:AttachRolePolicy": lambda r: {"RoleName": name(r.resource), "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    "iam:CreateServiceLinkedRole": lambda r: {"AWSServiceName": rest(r.resource).split("/")[2]},
    "kms:Decrypt": lambda r: {"KeyId": r.resource, "CiphertextBlob": b"x" * 100},
    "kms:GenerateDataKey": lambda r: {"KeyId": r.resource, "KeySpec": "AES_256"},
    "kms:Sign": _sign,
    "kms:*": lambda r: {"KeyId": r.resource},
    "logs:PutLogEvents": lambda r: {**_log_stream(r), "logEvents": [{"timestamp": 1, "message": "x"}]},
    "logs:*": _log_stream,
    "rds:DeleteDBCluster": lambda r: {"DBClusterIdentifier": name(r.resource), "SkipFinalSnapshot": True},
    "s3:*Object": _object,
    "s3:ListBucket": lambda r: {"Bucket": rest(r.resource), **({"Prefix": r.context["s3:prefix"]} if r.context else {})},
    "s3:PutBucketPolicy": lambda r: {"Bucket": rest(r.resource), "Policy": "{}"},
    "s3:*": lambda r: {"Bucket": rest(r.resource)},
    "secretsmanager:ListSecrets": lambda r: {},
    "secretsmanager:PutSecretValue": lambda r: {"SecretId": r.resource, "SecretString": "x"},
    "secretsmanager:*": lambda r: {"SecretId": r.resource},
    "sns:Publish": lambda r: {"TopicArn": r.resource, "Message": "x"},
    "sqs:SendMessage": lambda r: _queue(r, MessageBody="x"),
    "sqs:DeleteMessage": lambda r: _queue(r, ReceiptHandle="x"),
    "sqs:ChangeMessageVisibility": lambda r: _queue(r, ReceiptHandle="x", VisibilityTimeout=0),
    "sqs:*": _queue,
    "ssm:GetParameters": lambda r: {"Names": [rest(r.resource).removeprefix("parameter")]},
    "sts:AssumeRole": lambda r: {"RoleArn": r.resource, "RoleSessionName": "another"},
    "wafv2:AssociateWebACL": lambda r: {
        "WebACLArn": "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/x/x",
        "ResourceArn": r.resource,
    },
    "wafv2:DeleteWebACL": lambda r: {"Name": "x", "Scope": "REGIONAL", "Id": "x", "LockToken": "x"},
}


def call(r: Request) -> tuple[str, str, dict]:
    """The client, its method and the parameters; the first pattern that fits the action gives them."""
    service, action = r.action.split(":")
    parameters = next((made for pattern, made in PARAMETERS.items() if matches(pattern, r.action)), None)
    if parameters is None:
        raise NoCall(r.action)
    return CLIENTS.get(service, service), OPERATIONS.get(r.action, xform_name(action)), parameters(r)
