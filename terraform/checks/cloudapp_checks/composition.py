"""What the root composes, as both examples plan it with a mocked provider: who is told what, may do what, lies where.

    python -m cloudapp_checks.composition        (terraform/checks/test sets everything up)

A test of Terraform's own sees outputs only; the wiring is in the resources inside the modules, so that this looks at the
plans that `terraform test -verbose` prints. What only an apply knows is in `checks/apply`.
"""

import json
import tempfile
from pathlib import Path

from . import roles
from .copied import copied, initialised, tested, without_ephemeral
from .plan import Plan, Resource, statements
from .verdict import verdict

TESTS = "tests/composition"
ACCOUNT = "123456789012"
AT = f"eu-west-1:{ACCOUNT}"
DATABASE = "db.example.internal:5432/cloudapp"
WEB, SERVICES = "https://cloudapp.example.com", "https://services.cloudapp.example.com"
# What tells the examples apart, as their first lines promise.
SIZES = {
    "production": {"NAT gateways": 3, "database instances": 2, "days of backups": 14, "web tasks": 3, "days of logs": 365},
    "minimal": {"NAT gateways": 1, "database instances": 1, "days of backups": 7, "web tasks": 1, "days of logs": 30},
}


def found(copy: Path) -> list[str]:
    """What is wrong with the composition in a copy without ephemeral resources."""
    said, plans = tested(copy, "-verbose", f"-test-directory={TESTS}")
    for example in SIZES:
        if example not in plans:
            said.append(f"{example}: there is no plan")
            continue
        plan = with_role_names(Plan(planned(plans[example])))
        values = plans[example]["output_changes"]["helm_values"]["after"]
        wrong = [*told(plan, values), *placed(plan, values), *guarded(plan, values), *sized(plan, example)]
        wrong += roles.judge(plan, values, example)[0]
        said += [f"{example}: {one}" for one in wrong]
    if "another_name" not in plans:
        return [*said, "another_name: there is no plan"]
    return said + named(Plan(planned(plans["another_name"])))


def planned(plan: dict) -> dict:
    """What `terraform test` prints of a plan are its changes: the resources after them."""
    resources = [{**one, "values": one["change"]["after"]} for one in plan["resource_changes"]]
    return {"planned_values": {"root_module": {"resources": resources}}}


def with_role_names(plan: Plan) -> Plan:
    """The same plan with roles' policies naming their role: a mocked role has an id that says nothing."""
    names = {role.get("id"): role.get("name") for role in plan.of("aws_iam_role")}
    for policy in plan.of("aws_iam_role_policy"):
        policy.values["role"] = names[policy.get("role")]
    return plan


def different(what: str, is_now: dict, must_be: dict) -> list[str]:
    """Every name under which something else is than must be."""
    return [
        f"{what}: {name} is {is_now.get(name)!r}, not {must_be.get(name)!r}"
        for name in sorted({*is_now, *must_be})
        if is_now.get(name) != must_be.get(name)
    ]


def only(plan: Plan, kind: str, **attributes) -> Resource:
    """The one resource of its kind that has these values."""
    those = [one for one in plan.of(kind) if all(one.get(name) == value for name, value in attributes.items())]
    if len(those) != 1:
        raise LookupError(f"{len(those)} of {kind} with {attributes}")
    return those[0]


def told(plan: Plan, values: dict) -> list[str]:
    """Each program's environment, and what the chart gets, name by name."""
    queues = {queue.get("name"): queue.get("url") for queue in plan.of("aws_sqs_queue")}
    # A module's name of its bucket is known when the bucket is there, so that mocks make it up.
    buckets = {bucket.get("bucket").removesuffix(f"-{ACCOUNT}"): bucket.get("id") for bucket in plan.of("aws_s3_bucket")}
    pool, client = only(plan, "aws_cognito_user_pool"), only(plan, "aws_cognito_user_pool_client")
    issuer = f"https://{pool.get('endpoint')}"
    token = {
        "CLOUDAPP_ISSUER": issuer,
        "CLOUDAPP_JWKS_URL": f"{issuer}/.well-known/jwks.json",
        "CLOUDAPP_CLIENT_ID": client.get("id"),
    }
    everywhere = {"RUST_LOG": "info", "CLOUDAPP_LOG_FORMAT": "json"}
    topic = f"arn:aws:sns:{AT}:cloudapp-admin"

    def database(user: str) -> dict:
        return {
            "DATABASE_URL": f"postgres://{user}@{DATABASE}",
            "CLOUDAPP_DATABASE_AUTH": "iam",
            "CLOUDAPP_DATABASE_CONNECTIONS": "2",
        }

    must_be = {
        "auth": {
            "CLOUDAPP_ADMIN_TOPIC_ARN": topic,
            "CLOUDAPP_FIRST_SEEN_BUCKET": buckets["cloudapp-first-seen"],
            "CLOUDAPP_WEB_URL": WEB,
        },
        "login-poller": {**token, **database("login")},
        "stop-ec2": {
            **token,
            **database("stop_ec2"),
            "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL": queues["cloudapp-instance-events"],
        },
    }
    wrong = []
    for program, environment in must_be.items():
        function = only(plan, "aws_lambda_function", function_name=f"cloudapp-{program}")
        wrong += different(program, function.block("environment")["variables"], {**everywhere, **environment})
    container = json.loads(only(plan, "aws_ecs_task_definition").get("container_definitions"))[0]
    wrong += different(
        "web",
        {one["name"]: one["value"] for one in container["environment"]},
        {
            **everywhere,
            **token,
            "AWS_REGION": "eu-west-1",
            "CLOUDAPP_LISTEN": "0.0.0.0:8080",
            "CLOUDAPP_USER_POOL_ID": pool.get("id"),
            "CLOUDAPP_CONFIGURE_URL": SERVICES,
            "CLOUDAPP_PROVISION_URL": SERVICES,
            "CLOUDAPP_STATS_URL": SERVICES,
            "CLOUDAPP_GATEWAY_URL": only(plan, "aws_apigatewayv2_api").get("api_endpoint"),
            "CLOUDAPP_PUBLIC_URL": WEB,
            # The chart's collector.
            "OTEL_EXPORTER_OTLP_ENDPOINT": SERVICES,
        },
    )
    chart = {name: one for name, one in values["provisionInstance"].items() if name.endswith(("Url", "Arn", "Bucket"))}
    wrong += different(
        "provision-instance",
        chart,
        {
            "loginQueueUrl": queues["cloudapp-login"],
            "instanceEventsQueueUrl": queues["cloudapp-instance-events"],
            "adminTopicArn": topic,
            "eventsBucket": buckets["cloudapp-events"],
            "bootReportUrl": f"{SERVICES}/api/boot-reports",
            "webUrl": WEB,
        },
    )
    accounts = {name: one["roleArn"] for name, one in values["serviceAccounts"].items()}
    wrong += different(
        "the services' roles",
        accounts,
        {
            key: f"arn:aws:iam::{ACCOUNT}:role/cloudapp-{name}"
            for key, name in (
                ("configureInstance", "configure-instance"),
                ("provisionInstance", "provision-instance"),
                ("viewStats", "view-stats"),
                ("operate", "operate"),
                ("telemetry", "telemetry"),
            )
        },
    )
    sources = {one.address.split(".")[-2]: one.get("event_source_arn") for one in plan.of("aws_lambda_event_source_mapping")}
    wrong += different("queues' readers", sources, {"aws_lambda_event_source_mapping": f"arn:aws:sqs:{AT}:cloudapp-login"})
    rules = {target.get("arn") for target in plan.of("aws_cloudwatch_event_target")}
    if rules != {f"arn:aws:sqs:{AT}:cloudapp-instance-events"}:
        wrong.append(f"EC2's events go to {sorted(rules)}")
    queue = only(plan, "aws_sqs_queue", name="cloudapp-instance-events")
    policy = only(plan, "aws_sqs_queue_policy", queue_url=queue.get("id")).json("policy")
    admitted = {one["Condition"]["ArnEquals"]["aws:SourceArn"] for one in statements(policy) if one["Effect"] == "Allow"}
    sending = {f"arn:aws:events:{AT}:rule/{rule.get('name')}" for rule in plan.of("aws_cloudwatch_event_rule")}
    if admitted != sending:
        wrong.append(f"EC2's events are sent by {sorted(sending)}, but the queue takes them from {sorted(admitted)}")
    return wrong


def placed(plan: Plan, values: dict) -> list[str]:
    """Everything lies in the subnets of its tier."""
    tiers: dict[str, set[str]] = {}
    for subnet in plan.of("aws_subnet"):
        tiers.setdefault(subnet.get("tags")["Name"].split("-")[1], set()).add(subnet.get("id"))
    names = {identifier: name for name, identifiers in tiers.items() for identifier in identifiers}

    def tier(subnets) -> str:
        subnets = list(subnets)
        whole = {names.get(one, "elsewhere") for one in subnets}
        return "+".join(sorted(whole)) + ("" if len(subnets) == 3 else f" ({len(subnets)} subnets)")

    is_now = {
        "database": tier(only(plan, "aws_db_subnet_group").get("subnet_ids")),
        "web": tier(only(plan, "aws_ecs_service").block("network_configuration")["subnets"]),
        "web's load balancer": tier(only(plan, "aws_lb").get("subnets")),
        "the cluster": tier(only(plan, "aws_eks_cluster").block("vpc_config")["subnet_ids"]),
        "the services' load balancer": tier(values["ingress"]["subnets"]),
        "machines": tier(values["provisionInstance"]["subnets"]),
    }
    must_be = {"database": "database", "web's load balancer": "public", "machines": "machines"}
    must_be |= {name: "apps" for name in ("web", "the cluster", "the services' load balancer")}
    for profile in plan.of("aws_eks_fargate_profile"):
        is_now[f"pods of {profile.get('fargate_profile_name')}"] = tier(profile.get("subnet_ids"))
        must_be[f"pods of {profile.get('fargate_profile_name')}"] = "apps"
    for function in plan.of("aws_lambda_function"):
        network, name = function.block("vpc_config"), function.get("function_name")
        is_now[name] = tier(network["subnet_ids"]) if network else "no VPC"
        must_be[name] = "no VPC" if name == "cloudapp-auth" else "apps"
    return different("subnets", is_now, must_be)


def guarded(plan: Plan, values: dict) -> list[str]:
    """Firewalls, certificates, keys and the database's door: each the one that is meant."""
    firewall = f"arn:aws:wafv2:{AT}:regional/webacl/%s/1"
    certificate = f"arn:aws:acm:{AT}:certificate/%s"
    edge = only(plan, "aws_cloudfront_distribution")
    guards = {one.get("resource_arn"): one.get("web_acl_arn") for one in plan.of("aws_wafv2_web_acl_association")}
    groups = {group.get("id"): group.get("name") for group in plan.of("aws_security_group")}
    pods = only(plan, "aws_eks_cluster").block("vpc_config")["cluster_security_group_id"]
    groups[pods] = "the cluster's"
    clients = [
        groups.get(one.get("referenced_security_group_id"), "somebody")
        for one in plan.of("aws_vpc_security_group_ingress_rule")
        if groups.get(one.get("security_group_id"), "").endswith("-database")
    ]
    is_now = {
        "CloudFront's firewall": edge.get("web_acl_id"),
        "CloudFront's certificate": edge.block("viewer_certificate")["acm_certificate_arn"],
        "web's firewall": guards.get(only(plan, "aws_lb").get("arn")),
        "web's certificate": only(plan, "aws_lb_listener").get("certificate_arn"),
        "the user pool's firewall": guards.get(only(plan, "aws_cognito_user_pool").get("arn")),
        "the services' firewall": values["ingress"]["webAclArn"],
        "the services' certificate": values["ingress"]["certificateArn"],
        "the database's key": only(plan, "aws_rds_cluster").get("kms_key_id"),
        "the session key's key": only(plan, "aws_secretsmanager_secret").get("kms_key_id"),
        "the queues' key": "+".join(sorted({queue.get("kms_master_key_id") for queue in plan.of("aws_sqs_queue")})),
        "the database's clients": "+".join(sorted(clients)),
    }
    must_be = {
        "CloudFront's firewall": f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/edge/1",
        "CloudFront's certificate": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/certificate_edge",
        "web's firewall": firewall % "web",
        "web's certificate": certificate % "certificate",
        "the user pool's firewall": firewall % "identity",
        "the services' firewall": firewall % "services",
        "the services' certificate": certificate % "certificate_services",
        "the database's key": f"arn:aws:kms:{AT}:key/database",
        "the session key's key": f"arn:aws:kms:{AT}:key/data",
        "the queues' key": f"arn:aws:kms:{AT}:key/data",
        "the database's clients": "cloudapp-login-poller+cloudapp-stop-ec2+the cluster's",
    }
    return different("guards", is_now, must_be)


def sized(plan: Plan, example: str) -> list[str]:
    """What tells the examples apart: how much there is of everything, and what is protected."""
    cluster, kept = only(plan, "aws_rds_cluster"), example == "production"
    days = {str(group.get("retention_in_days")) for group in plan.of("aws_cloudwatch_log_group")}
    is_now = {
        "NAT gateways": len(plan.of("aws_nat_gateway")),
        "database instances": len(plan.of("aws_rds_cluster_instance")),
        "days of backups": cluster.get("backup_retention_period"),
        "web tasks": only(plan, "aws_ecs_service").get("desired_count"),
        "days of logs": "+".join(sorted(days)),
    }
    must_be = {**SIZES[example], "days of logs": str(SIZES[example]["days of logs"])}
    protected = {
        "the database": cluster.get("deletion_protection") and not cluster.get("skip_final_snapshot"),
        "the user pool": only(plan, "aws_cognito_user_pool").get("deletion_protection") == "ACTIVE",
        "the load balancer": only(plan, "aws_lb").get("enable_deletion_protection"),
        "buckets": not any(bucket.get("force_destroy") for bucket in plan.of("aws_s3_bucket")),
        "images": not any(one.get("force_delete") for one in plan.of("aws_ecr_repository")),
        "the session key": only(plan, "aws_secretsmanager_secret").get("recovery_window_in_days") > 0,
    }
    return different("sizes", is_now, must_be) + different("protection", protected, {name: kept for name in protected})


def named(plan: Plan) -> list[str]:
    """A second installation in the account makes nothing by a name of the first."""
    names = ("name", "bucket", "function_name", "family", "cluster_identifier", "identifier", "alarm_name", "dashboard_name")
    return [
        f"another name: {one.address} is named {one.values[name]}"
        for one in plan.resources
        for name in names
        if "cloudapp" in str(one.values.get(name)).replace("cloudapp.example.com", "")
    ]


def found_here() -> list[str]:
    """What is wrong with the composition as it is in the repository."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        without_ephemeral(copy)
        initialised(copy, TESTS)
        return found(copy)


if __name__ == "__main__":
    verdict(found_here, "both examples: everything is told, placed and guarded as it must be, and nobody may too much")
