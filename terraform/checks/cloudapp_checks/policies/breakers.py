"""For every policy, ways to break a good plan that it must notice."""

import copy
import json
from collections.abc import Callable

from . import POLICIES, run
from ..plan import Plan, _resources

Breaker = Callable[[dict], None]


def _values(document: dict, kind: str, part: str = "") -> dict:
    """The first resource of a kind whose address holds `part`."""
    root = (document.get("planned_values") or document.get("values"))["root_module"]
    return next(
        one["values"] for one in _resources(root) if one["type"] == kind and part in one["address"] and one["mode"] == "managed"
    )


def put(kind: str, attribute: str, value, part: str = "") -> Breaker:
    """Sets an attribute; `a.b` reaches into the only block `a`."""

    def break_it(document: dict) -> None:
        target = _values(document, kind, part)
        *blocks, last = attribute.split(".")
        for block in blocks:
            if not target.get(block):
                target[block] = [{}]
            target = target[block][0]
        target[last] = value

    return break_it


def drop(kind: str, part: str = "") -> Breaker:
    """Takes resources away."""

    def break_it(document: dict) -> None:
        def without(module: dict) -> None:
            module["resources"] = [
                one for one in module.get("resources", []) if not (one["type"] == kind and part in one["address"])
            ]
            for child in module.get("child_modules", []):
                without(child)

        without((document.get("planned_values") or document.get("values"))["root_module"])

    return break_it


def rewrite(kind: str, attribute: str, change: Callable[[object], None], part: str = "") -> Breaker:
    """Changes a JSON attribute in place."""

    def break_it(document: dict) -> None:
        target = _values(document, kind, part)
        read = json.loads(target[attribute])
        change(read)
        target[attribute] = json.dumps(read)

    return break_it


def statement(kind: str, attribute: str, part: str = "", sid: str | None = None, **changes) -> Breaker:
    """Changes a statement of a policy document: the one with this Sid, or the first. None takes a part away."""

    def change(document: dict) -> None:
        found = next(one for one in document["Statement"] if sid is None or one.get("Sid") == sid)
        for name, value in changes.items():
            if value is None:
                found.pop(name, None)
            else:
                found[name] = value

    return rewrite(kind, attribute, change, part)


def grant(part: str, **statement_) -> Breaker:
    """Gives a role one more statement."""
    return rewrite(
        "aws_iam_role_policy", "policy", lambda document: document["Statement"].append({"Effect": "Allow", **statement_}), part
    )


def condition_without(part: str, sid: str, key: str) -> Breaker:
    """Takes one key out of a statement's conditions."""

    def change(document: dict) -> None:
        found = next(one for one in document["Statement"] if one.get("Sid") == sid)
        for operator in found["Condition"].values():
            operator.pop(key, None)

    return rewrite("aws_iam_role_policy", "policy", change, part)


def condition_on(part: str, sid: str, key: str, value: str) -> Breaker:
    """Lets a statement ask for another value of a key."""

    def change(document: dict) -> None:
        found = next(one for one in document["Statement"] if one.get("Sid") == sid)
        for operator in found["Condition"].values():
            if key in operator:
                operator[key] = value

    return rewrite("aws_iam_role_policy", "policy", change, part)


ROLE, TRUST = "aws_iam_role_policy", "aws_iam_role"
PROVISION = '["provision-instance"]'


def _container(change: Callable[[dict], None]) -> Breaker:
    return rewrite("aws_ecs_task_definition", "container_definitions", lambda containers: change(containers[0]))


BREAKERS: dict[str, list[Breaker]] = {
    "no_star_in_role_policies": [
        grant(PROVISION, Action="ec2:*", Resource="arn:aws:ec2:eu-west-1:123456789012:instance/*"),
        grant('["view-stats"]', Action="s3:GetObject", Resource="*"),
        grant("function_auth", NotAction="iam:*", Resource="*"),
        grant('["operate"]', Action="secretsmanager:GetSecretValue", Resource="arn:aws:secretsmanager:eu-west-1:*:secret:x"),
    ],
    "no_managed_administration": [
        put("aws_iam_role_policy_attachment", "policy_arn", "arn:aws:iam::aws:policy/AdministratorAccess")
    ],
    "pass_role_names_roles": [
        grant(
            PROVISION,
            Action="iam:PassRole",
            Resource="arn:aws:iam::123456789012:role/*",
            Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        grant(PROVISION, Action="iam:PassRole", Resource="arn:aws:iam::123456789012:role/machine"),
    ],
    "roles_trust_one_party": [
        statement(
            TRUST, "assume_role_policy", "service_accounts", Condition={"StringLike": {"x:sub": "system:serviceaccount:cloudapp:*"}}
        ),
        statement(TRUST, "assume_role_policy", "web", Condition=None),
        statement(TRUST, "assume_role_policy", "function_auth", Principal={"AWS": "*"}),
    ],
    "resource_policies_name_who": [
        statement(
            "aws_sqs_queue_policy", "policy", "instance_events.aws_sqs_queue_policy.this", sid="state-change", Condition=None
        ),
        statement("aws_kms_key", "policy", '["data"]', Principal={"AWS": "*"}),
        statement("aws_s3_bucket_policy", "policy", "assets", sid="ThisDistributionReads", Principal="*"),
    ],
    "launches_are_bounded": [
        condition_without(PROVISION, "LaunchMarkedMachines", "ec2:MetadataHttpTokens"),
        condition_without(PROVISION, "LaunchMarkedMachines", "aws:RequestTag/cloudapp:managed"),
        condition_without(PROVISION, "WithEncryptedMarkedVolumes", "ec2:Encrypted"),
        condition_without(
            "function_stop_ec2.aws_iam_role_policy.program", "StopMarkedMachines", "aws:ResourceTag/cloudapp:managed"
        ),
        condition_on(PROVISION, "LaunchMarkedMachines", "aws:RequestTag/cloudapp:managed", "staging"),
        condition_on(PROVISION, "PowerOfMarkedMachines", "aws:ResourceTag/cloudapp:managed", "staging"),
        statement(ROLE, "policy", PROVISION, sid="InTheMachinesSubnets", Resource="arn:aws:ec2:eu-west-1:123456789012:subnet/*"),
    ],
    "only_one_role_signs": [
        rewrite("aws_kms_key", "policy", lambda document: document["Statement"].pop(), "ssh_ca"),
        put("aws_kms_key", "customer_master_key_spec", "RSA_2048", "ssh_ca"),
    ],
    "encrypted_with_our_keys": [
        put("aws_sqs_queue", "kms_master_key_id", None),
        put("aws_sns_topic", "kms_master_key_id", "alias/aws/sns"),
        put("aws_rds_cluster", "storage_encrypted", False),
        put("aws_cloudwatch_log_group", "kms_key_id", None, "gateway"),
        put("aws_lambda_function", "kms_key_arn", None),
        put("aws_eks_cluster", "encryption_config", []),
        put("aws_secretsmanager_secret", "kms_key_id", None),
        put("aws_cloudtrail", "kms_key_id", None),
    ],
    "buckets_are_closed": [
        put("aws_s3_bucket_public_access_block", "block_public_policy", False),
        drop("aws_s3_bucket_public_access_block", "first-seen"),
        drop("aws_s3_bucket_server_side_encryption_configuration", "events"),
        put("aws_s3_bucket_versioning", "versioning_configuration.status", "Suspended"),
        put("aws_s3_bucket_ownership_controls", "rule.object_ownership", "ObjectWriter"),
    ],
    "tls_only": [
        statement("aws_s3_bucket_policy", "policy", "events", Condition={"Bool": {"aws:SecureTransport": "true"}}),
        drop("aws_sqs_queue_policy", "module.login.aws_sqs_queue_policy.dead"),
        statement("aws_sns_topic_policy", "policy", '["events"]', Effect="Allow"),
    ],
    "queues_lose_nothing": [
        put("aws_sqs_queue", "redrive_policy", "", "module.login.aws_sqs_queue.this"),
        put("aws_sqs_queue", "message_retention_seconds", 345600),
        drop("aws_sqs_queue_redrive_allow_policy", "mail"),
    ],
    "visibility_outlasts_the_consumer": [
        put("aws_sqs_queue", "visibility_timeout_seconds", 59, "module.login.aws_sqs_queue.this"),
        put("aws_lambda_function", "timeout", 11, "login_poller"),
        put("aws_lambda_event_source_mapping", "function_response_types", []),
    ],
    "database_is_kept": [
        put("aws_rds_cluster", "deletion_protection", False),
        put("aws_rds_cluster", "backup_retention_period", 1),
        put("aws_rds_cluster", "skip_final_snapshot", True),
        put("aws_rds_cluster", "iam_database_authentication_enabled", False),
        put("aws_rds_cluster_instance", "publicly_accessible", True),
        put("aws_rds_cluster_parameter_group", "parameter", []),
        drop("aws_rds_cluster_instance", "this[1]"),
    ],
    "deletion_is_refused": [
        put("aws_cognito_user_pool", "deletion_protection", "INACTIVE"),
        put("aws_lb", "enable_deletion_protection", False),
        put("aws_s3_bucket", "force_destroy", True),
        put("aws_ecr_repository", "image_tag_mutability", "MUTABLE"),
    ],
    "keys_rotate": [put("aws_kms_key", "enable_key_rotation", False, '["data"]'), put("aws_kms_key", "deletion_window_in_days", 7)],
    "nothing_is_open_to_the_world": [
        put("aws_vpc_security_group_ingress_rule", "cidr_ipv4", "0.0.0.0/0", "machines"),
        put("aws_vpc_security_group_ingress_rule", "from_port", 0, "database"),
        put("aws_eks_cluster", "vpc_config.public_access_cidrs", ["0.0.0.0/0"]),
        put("aws_default_security_group", "ingress", [{"protocol": "-1"}]),
    ],
    "tiers_are_apart": [
        put("aws_ecs_service", "network_configuration.assign_public_ip", True),
        drop("aws_nat_gateway", "eu-west-1c"),
        drop("aws_flow_log"),
        lambda document: put("aws_route", "route_table_id", _values(document, "aws_route_table", "aws_route_table.database")["id"])(
            document
        ),
    ],
    "tls_is_current": [
        put("aws_lb_listener", "protocol", "HTTP"),
        put("aws_lb_listener", "ssl_policy", "ELBSecurityPolicy-2016-08"),
        put("aws_cloudfront_distribution", "viewer_certificate.minimum_protocol_version", "TLSv1"),
        put("aws_cloudfront_distribution", "default_cache_behavior.viewer_protocol_policy", "allow-all"),
    ],
    "firewalls_are_attached": [
        put("aws_cloudfront_distribution", "web_acl_id", ""),
        drop("aws_wafv2_web_acl_association", "firewall_identity"),
        drop("aws_wafv2_web_acl_logging_configuration", "firewall_web"),
        put("aws_wafv2_web_acl", "rule", []),
    ],
    "machines_report_only": [
        lambda document: _values(document, "aws_wafv2_web_acl", "firewall_services").update(
            rule=[
                rule
                for rule in _values(document, "aws_wafv2_web_acl", "firewall_services")["rule"]
                if rule["name"] != "machines-report-only"
            ]
        ),
    ],
    "routes_want_tokens": [
        put("aws_apigatewayv2_route", "authorization_type", "NONE"),
        put("aws_apigatewayv2_stage", "default_route_settings", []),
        put("aws_apigatewayv2_stage", "access_log_settings", []),
    ],
    "logs_are_kept": [
        put("aws_cloudwatch_log_group", "retention_in_days", 0),
        drop("aws_cloudwatch_log_group", "function_auth"),
        put("aws_eks_cluster", "enabled_cluster_log_types", ["api"]),
    ],
    "everything_is_tagged": [put("aws_sqs_queue", "tags_all", {"Application": "cloudapp"}), put("aws_vpc", "tags_all", None)],
    "no_secret_in_environments": [
        put("aws_lambda_function", "environment.variables", {"DATABASE_URL": "postgres://login:hunter2@db:5432/cloudapp"}),
        _container(lambda container: container["environment"].append({"name": "CLOUDAPP_SESSION_KEY", "value": "c2VjcmV0"})),
    ],
    "programs_are_confined": [
        _container(lambda container: container.update(user="0")),
        _container(lambda container: container.update(readonlyRootFilesystem=False)),
        _container(lambda container: container.update(image="web:latest")),
        put("aws_ecs_service", "enable_execute_command", True),
        put("aws_lambda_function", "tracing_config.mode", "PassThrough"),
    ],
    "alarms_tell_what_to_do": [
        put("aws_cloudwatch_metric_alarm", "alarm_actions", []),
        put("aws_cloudwatch_metric_alarm", "alarm_description", "Bad."),
        drop("aws_cloudwatch_metric_alarm", "dead-letters-login"),
        drop("aws_cloudwatch_metric_alarm", "lambda-errors-auth"),
    ],
    "the_trail_sees_everything": [
        put("aws_cloudtrail", "is_multi_region_trail", False),
        put("aws_cloudtrail", "enable_log_file_validation", False),
    ],
    "sign_in_is_strict": [
        put("aws_cognito_user_pool", "admin_create_user_config.allow_admin_create_user_only", False),
        put("aws_cognito_user_pool", "password_policy.minimum_length", 8),
        put("aws_cognito_user_pool", "lambda_config.pre_token_generation_config", []),
        put("aws_cognito_user_pool_client", "access_token_validity", 60),
    ],
    "questions_are_bounded": [
        put("aws_athena_workgroup", "configuration.bytes_scanned_cutoff_per_query", None),
        put("aws_athena_workgroup", "configuration.enforce_workgroup_configuration", False),
    ],
}


def toothless(document: dict) -> list[str]:
    """Policies that nobody breaks, and breaks that a policy does not notice; of a document that all policies accept."""
    weak = [f"{name}: nothing breaks it" for name in POLICIES.keys() - BREAKERS.keys()]
    for name, breakers in BREAKERS.items():
        for number, break_it in enumerate(breakers, start=1):
            broken = copy.deepcopy(document)
            try:
                break_it(broken)
            except StopIteration:
                weak.append(f"{name}: break {number} finds nothing to break")
                continue
            if broken == document:
                weak.append(f"{name}: break {number} changes nothing")
            elif not run(name, Plan(broken)).findings:
                weak.append(f"{name}: break {number} goes unnoticed")
    return weak
