"""The pods of the services, of the migration job and of the collector."""

from ..evaluator import Request
from .names import MANAGED, Call, Names, calls, launch, via


def cases(n: Names) -> dict[str, tuple[list[Call], list[Call]]]:
    """Role to what it needs and what it must not do."""
    return {
        "cloudapp-configure-instance": (
            calls(n.connect("configure")),
            calls(
                n.connect("provision"),
                n.connect("login"),
                n.connect("stop_ec2"),
                n.master,
                n.session,
                Request("sqs:SendMessage", n.login),
                Request("ec2:DescribeInstances", "*", n.here),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
                Request("s3:GetObject", n.bucket("events", "instance_events/x")),
                Request("sns:Publish", n.admin_topic),
            ),
        ),
        "cloudapp-provision-instance": (
            [launch(n), launch(n, type=n.type_allowed, subnet=n.subnets[2], owner=n.account)]
            + calls(
                n.connect("provision"),
                Request(
                    "ssm:GetParameters",
                    f"arn:aws:ssm:{n.region}::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
                ),
                Request(
                    "ec2:CreateTags",
                    n.of("ec2", "instance/i-new"),
                    {"ec2:CreateAction": "RunInstances", "aws:TagKeys": ["cloudapp:managed", "Team"]},
                ),
                Request(
                    "ec2:CreateTags",
                    n.of("ec2", "volume/vol-new"),
                    {"ec2:CreateAction": "RunInstances", "aws:TagKeys": ["cloudapp:managed"]},
                ),
                Request("ec2:CreateTags", n.machine, {**MANAGED, "aws:TagKeys": ["cloudapp:owner"]}),
                Request("ec2:StartInstances", n.machine, MANAGED),
                Request("ec2:StopInstances", n.machine, MANAGED),
                Request("ec2:TerminateInstances", n.machine, MANAGED),
                Request("ec2:GetConsoleOutput", n.machine, MANAGED),
                Request("ec2:DescribeInstances", "*", n.here),
                Request("ec2:DescribeImages", "*", n.here),
                Request("ec2:DescribeSubnets", "*", n.here),
                Request("sqs:SendMessage", n.login),
                Request("sqs:ReceiveMessage", n.events),
                Request("sqs:DeleteMessage", n.events),
                Request("kms:GenerateDataKey", n.keys["data"], via("sqs", n)),
                Request("kms:Decrypt", n.keys["data"], via("sqs", n)),
                Request("sns:Publish", n.admin_topic),
                Request("kms:GenerateDataKey", n.keys["data"], via("sns", n)),
                Request("s3:PutObject", n.bucket("events", "instance_events/tier=live/dt=2026-01-01/x.parquet")),
                Request("kms:GenerateDataKey", n.keys["data"], via("s3", n)),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
                Request("kms:GetPublicKey", n.keys["ssh_ca"]),
                Request(
                    "iam:CreateServiceLinkedRole",
                    f"arn:aws:iam::{n.account}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot",
                    {"iam:AWSServiceName": "spot.amazonaws.com"},
                ),
            ),
            [
                launch(n, tags={}),
                launch(n, tokens="optional"),
                launch(n, hops="2"),
                launch(n, encrypted="false"),
                launch(n, type=n.type_refused),
                launch(n, subnet="subnet-elsewhere"),
                launch(n, group="sg-database"),
                launch(n, owner="210987654321"),
                launch(n, gib="2000"),
                launch(n, volume="io2"),
            ]
            + calls(
                n.connect("configure"),
                n.connect("login"),
                n.master,
                n.session,
                Request("ec2:CreateTags", n.machine, {"aws:TagKeys": ["cloudapp:managed"]}),
                Request("ec2:CreateTags", n.machine, {**MANAGED, "aws:TagKeys": ["cloudapp:managed"]}),
                Request("ec2:CreateTags", n.machine, {**MANAGED, "aws:TagKeys": ["cloudapp:owner", "Name"]}),
                Request("ec2:DeleteTags", n.machine, MANAGED),
                Request("ec2:ModifyInstanceAttribute", n.machine, MANAGED),
                Request("ec2:DescribeInstances", "*", {"aws:RequestedRegion": "us-west-2"}),
                Request("kms:Sign", n.keys["ssh_ca"], {**n.sign, "kms:MessageType": "RAW"}),
                Request("kms:Sign", n.keys["ssh_ca"]),
                Request("kms:Decrypt", n.keys["data"], via("secretsmanager", n)),
                Request("sqs:ReceiveMessage", n.login),
                Request("s3:GetObject", n.bucket("events", "instance_events/x")),
                Request("s3:PutObject", n.bucket("events", "elsewhere/x")),
                Request("ssm:GetParameters", n.of("ssm", "parameter/secret")),
                Request("sns:Publish", n.of("sns", "cloudapp-events")),
            ),
        ),
        "cloudapp-view-stats": (
            calls(
                *(
                    Request(f"athena:{action}", n.workgroup)
                    for action in ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "StopQueryExecution")
                ),
                Request("glue:GetTable", n.glue),
                Request("glue:GetTable", n.of("glue", "catalog")),
                Request("glue:GetDatabase", n.of("glue", "database/cloudapp")),
                Request("s3:GetObject", n.bucket("events", "instance_events/tier=daily/dt=2026-01-01/x.parquet")),
                Request("s3:ListBucket", n.bucket("events")),
                Request("s3:PutObject", n.bucket("athena-results", "q.csv")),
                Request("s3:GetObject", n.bucket("athena-results", "q.csv")),
                Request("s3:GetBucketLocation", n.bucket("athena-results")),
                Request("kms:Decrypt", n.keys["data"], via("s3", n)),
                Request("kms:GenerateDataKey", n.keys["data"], via("s3", n)),
            ),
            calls(
                n.connect("provision"),
                n.connect("configure"),
                n.master,
                Request("s3:PutObject", n.bucket("events", "instance_events/x")),
                Request("athena:StartQueryExecution", n.of("athena", "workgroup/primary")),
                Request("athena:UpdateWorkGroup", n.workgroup),
                Request("glue:DeleteTable", n.glue),
                Request("glue:GetTable", n.of("glue", "table/other/secrets")),
                Request("s3:GetObject", n.bucket("first-seen", "first-seen/x")),
                Request("kms:Decrypt", n.keys["data"], via("sqs", n)),
                Request("ec2:DescribeInstances", "*", n.here),
            ),
        ),
        "cloudapp-operate": (
            calls(
                n.connect("configure"),
                n.connect("provision"),
                n.connect("login"),
                n.master,
                Request("kms:Decrypt", n.keys["database"], via("secretsmanager", n)),
            ),
            calls(
                n.connect("stop_ec2"),
                n.session,
                Request("kms:Decrypt", n.keys["database"], via("rds", n)),
                Request("kms:Decrypt", n.keys["data"], via("secretsmanager", n)),
                Request("secretsmanager:PutSecretValue", n.master_secret),
                Request("secretsmanager:ListSecrets", "*"),
                Request("ec2:DescribeInstances", "*", n.here),
                Request("sqs:SendMessage", n.login),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
                Request("s3:GetObject", n.bucket("events", "instance_events/x")),
            ),
        ),
        "cloudapp-telemetry": (
            calls(
                Request("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "CloudApp"}),
                Request("xray:PutTraceSegments", "*"),
                Request("logs:CreateLogStream", n.of("logs", "log-group:/cloudapp/metrics:log-stream:collector")),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/metrics:log-stream:collector")),
            ),
            calls(
                Request("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/SQS"}),
                Request("cloudwatch:DeleteAlarms", n.of("cloudwatch", "alarm:x")),
                Request("cloudwatch:SetAlarmState", n.of("cloudwatch", "alarm:x")),
                Request("logs:CreateLogGroup", n.of("logs", "log-group:/cloudapp/other")),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/trail:log-stream:a")),
                Request("logs:GetLogEvents", n.of("logs", "log-group:/cloudapp/eks:log-stream:a")),
                n.connect("provision"),
                n.master,
                n.session,
                Request("xray:GetTraceSummaries", "*"),
                Request("sns:Publish", n.admin_topic),
            ),
        ),
    }
