"""The web tier, what runs pods, and the load balancer controller."""

from ..evaluator import Request
from .names import Call, Names, calls, via


def cases(n: Names) -> dict[str, tuple[list[Call], list[Call]]]:
    """Role to what it needs and what it must not do."""
    return {
        "cloudapp-web-task": (
            calls(
                *(
                    Request(f"cognito-idp:{action}", n.pool)
                    for action in (
                        "AdminCreateUser",
                        "AdminDeleteUser",
                        "AdminEnableUser",
                        "AdminDisableUser",
                        "AdminGetUser",
                        "ListUsers",
                        "DescribeUserPool",
                        "AdminAddUserToGroup",
                        "AdminRemoveUserFromGroup",
                        "AdminListGroupsForUser",
                        "AdminUserGlobalSignOut",
                    )
                )
            ),
            calls(
                Request("cognito-idp:UpdateUserPool", n.pool),
                Request("cognito-idp:CreateGroup", n.pool),
                Request("cognito-idp:AdminCreateUser", n.of("cognito-idp", "userpool/other")),
                Request("cognito-idp:UpdateUserPoolClient", n.pool),
                n.session,
                n.master,
                n.connect("configure"),
                n.connect("provision"),
                Request("sqs:SendMessage", n.login),
                Request("ec2:DescribeInstances", "*", n.here),
                Request("s3:GetObject", n.bucket("events", "instance_events/x")),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
            ),
        ),
        "cloudapp-web-execution": (
            calls(
                n.session,
                Request("kms:Decrypt", n.keys["data"], via("secretsmanager", n)),
                Request("ecr:GetAuthorizationToken", "*"),
                Request("ecr:BatchGetImage", n.of("ecr", "repository/cloudapp/web")),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/web:log-stream:a")),
            ),
            calls(
                n.master,
                Request("kms:Decrypt", n.keys["data"], via("s3", n)),
                Request("ecr:PutImage", n.of("ecr", "repository/cloudapp/web")),
                Request("ecr:BatchGetImage", n.of("ecr", "repository/cloudapp/operate")),
                Request("secretsmanager:PutSecretValue", n.session_secret),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/trail:log-stream:a")),
                Request("cognito-idp:AdminCreateUser", n.pool),
                n.connect("configure"),
                Request("s3:GetObject", n.bucket("first-seen", "first-seen/x")),
                Request("sqs:SendMessage", n.login),
            ),
        ),
        "cloudapp-eks-fargate": (
            calls(
                Request("ecr:GetAuthorizationToken", "*"),
                Request("ecr:BatchGetImage", n.of("ecr", "repository/cloudapp/provision-instance")),
                Request("ecr:GetDownloadUrlForLayer", f"arn:aws:ecr:{n.region}:602401143452:repository/eks/coredns"),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/eks:log-stream:a")),
            ),
            calls(
                Request("ecr:PutImage", n.of("ecr", "repository/cloudapp/web")),
                Request("ecr:BatchGetImage", n.of("ecr", "repository/other")),
                Request("ecr:BatchGetImage", f"arn:aws:ecr:{n.region}:210987654321:repository/other"),
                Request("ecr:DeleteRepository", n.of("ecr", "repository/cloudapp/web")),
                Request("logs:PutLogEvents", n.of("logs", "log-group:/cloudapp/trail:log-stream:a")),
                n.connect("provision"),
                n.master,
                n.session,
                Request("sqs:SendMessage", n.login),
                Request("kms:Sign", n.keys["ssh_ca"], n.sign),
            ),
        ),
        "cloudapp-aws-load-balancer-controller": _controller(n),
    }


def _controller(n: Names) -> tuple[list[list[Request]], list[list[Request]]]:
    mark, ours = {"aws:RequestTag/elbv2.k8s.aws/cluster": "cloudapp"}, {"aws:ResourceTag/elbv2.k8s.aws/cluster": "cloudapp"}
    here = {"aws:RequestedRegion": n.region}
    elb = lambda rest: n.of("elasticloadbalancing", rest)  # noqa: E731
    balancer, listener = elb("loadbalancer/app/cloudapp-services/50dc6c495c0c9188"), elb(
        "listener/app/cloudapp-services/50dc6c495c0c9188/f2f7dc8efc522ab2"
    )
    rule, group = elb("listener-rule/app/cloudapp-services/50dc/f2f7/9683"), elb(
        "targetgroup/k8s-cloudapp-provisio-1a2b3c/73e2d6bc24d8a067"
    )
    public = elb("loadbalancer/app/cloudapp-web/50dc6c495c0c9188")
    tagging = lambda create: {"elasticloadbalancing:CreateAction": create}  # noqa: E731
    e = "elasticloadbalancing:"
    return (
        calls(
            Request(e + "CreateLoadBalancer", balancer, mark),
            Request(e + "CreateTargetGroup", group, mark),
            Request(e + "CreateListener", balancer),
            Request(e + "CreateRule", listener),
            Request(e + "AddTags", balancer, tagging("CreateLoadBalancer")),
            Request(e + "AddTags", group, tagging("CreateTargetGroup")),
            Request(e + "AddTags", rule, tagging("CreateRule")),
            Request(e + "ModifyRule", rule, ours),
            Request(e + "ModifyListener", listener, ours),
            Request(e + "RegisterTargets", group, ours),
            Request(e + "DeregisterTargets", group, ours),
            Request(e + "DeleteLoadBalancer", balancer, ours),
            Request(e + "SetSecurityGroups", balancer, ours),
            Request(e + "SetSubnets", balancer, ours),
            Request(e + "DeleteTargetGroup", group, ours),
            Request(e + "DescribeLoadBalancers", "*", here),
            Request("ec2:DescribeSubnets", "*", here),
            Request("acm:DescribeCertificate", "*", here),
            Request("wafv2:AssociateWebACL", balancer),
        ),
        calls(
            Request(e + "DeleteLoadBalancer", public, {}),
            Request(e + "DeleteLoadBalancer", public, ours),
            Request(e + "ModifyListener", elb("listener/app/cloudapp-web/1/2")),
            Request(e + "CreateLoadBalancer", elb("loadbalancer/app/another/1"), mark),
            Request(e + "CreateLoadBalancer", balancer),
            Request(e + "RegisterTargets", group),
            Request(e + "DeleteLoadBalancer", balancer, {"aws:ResourceTag/elbv2.k8s.aws/cluster": "another"}),
            Request("ec2:CreateSecurityGroup", "*"),
            Request("ec2:RevokeSecurityGroupIngress", n.of("ec2", f"security-group/{n.group}")),
            Request("ec2:CreateTags", n.of("ec2", "instance/i-1")),
            Request("wafv2:AssociateWebACL", public),
            Request("wafv2:DeleteWebACL", "*"),
            Request("iam:CreateServiceLinkedRole", f"arn:aws:iam::{n.account}:role/aws-service-role/spot.amazonaws.com/x"),
            Request("acm:DeleteCertificate", "*", here),
            Request("shield:CreateProtection", "*"),
        ),
    )
