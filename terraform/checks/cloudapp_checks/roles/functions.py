"""The Lambdas."""

from ..evaluator import Request
from .names import MANAGED, Call, Names, calls, launch, via


def cases(n: Names) -> dict[str, tuple[list[Call], list[Call]]]:
    """Role to what it needs and what it must not do."""
    return {
        "cloudapp-auth": (
            calls(
                Request("s3:GetObject", n.bucket("first-seen", "first-seen/sub")),
                Request("s3:PutObject", n.bucket("first-seen", "first-seen/sub")),
                Request("s3:ListBucket", n.bucket("first-seen"), {"s3:prefix": "first-seen/sub"}),
                Request("sns:Publish", n.admin_topic),
                Request("cognito-idp:AdminGetUser", n.pool),
                Request("kms:GenerateDataKey", n.keys["data"], via("s3", n)),
                Request("kms:Decrypt", n.keys["data"], via("s3", n)),
                Request("kms:GenerateDataKey", n.keys["data"], via("sns", n)),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-auth:log-stream:a")),
                Request("xray:PutTraceSegments", "*"),
            ),
            calls(
                Request("cognito-idp:AdminAddUserToGroup", n.pool),
                Request("cognito-idp:AdminDeleteUser", n.pool),
                Request("cognito-idp:ListUsers", n.pool),
                Request("cognito-idp:AdminGetUser", n.of("cognito-idp", "userpool/other")),
                Request("s3:DeleteObject", n.bucket("first-seen", "first-seen/sub")),
                Request("s3:GetObject", n.bucket("events", "instance_events/x")),
                Request("sns:Publish", n.of("sns", "other")),
                n.connect("login"),
                n.master,
                Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-stop-ec2:log-stream:a")),
                Request("ec2:CreateNetworkInterface", "*"),
            ),
        ),
        "cloudapp-login-poller": (
            calls(
                n.connect("login"),
                *(
                    Request(f"sqs:{action}", n.login)
                    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes", "ChangeMessageVisibility")
                ),
                Request("kms:Decrypt", n.keys["data"], via("sqs", n)),
                Request("ec2:CreateNetworkInterface", "*"),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-login-poller:log-stream:a")),
            ),
            calls(
                n.connect("provision"),
                n.connect("stop_ec2"),
                n.connect("configure"),
                Request("sqs:SendMessage", n.login),
                Request("sqs:ReceiveMessage", n.events),
                Request("sqs:ReceiveMessage", f"{n.login}-dlq"),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
                Request("ec2:StopInstances", n.machine, MANAGED),
                n.master,
                Request(
                    "ec2:CreateNetworkInterface",
                    "*",
                    {"lambda:SourceFunctionArn": n.of("lambda", "function:cloudapp-login-poller")},
                ),
            ),
        ),
        "cloudapp-stop-ec2": (
            calls(
                n.connect("stop_ec2"),
                Request("ec2:StopInstances", n.machine, MANAGED),
                Request("ec2:TerminateInstances", n.machine, MANAGED),
                Request("sqs:SendMessage", n.events),
                Request("kms:GenerateDataKey", n.keys["data"], via("sqs", n)),
                Request("ec2:CreateNetworkInterface", "*"),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/aws/lambda/cloudapp-stop-ec2:log-stream:a")),
            ),
            [launch(n)]
            + calls(
                n.connect("provision"),
                n.connect("login"),
                Request("ec2:StopInstances", n.machine),
                Request("ec2:StartInstances", n.machine, MANAGED),
                Request("ec2:RebootInstances", n.machine, MANAGED),
                Request("sqs:SendMessage", n.login),
                Request("sqs:ReceiveMessage", n.events),
                Request(
                    "ec2:DeleteNetworkInterface", "*", {"lambda:SourceFunctionArn": n.of("lambda", "function:cloudapp-stop-ec2")}
                ),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
                n.master,
            ),
        ),
    }
