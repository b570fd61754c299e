"""What operators rely on: logs, tags, alarms, and programs that run as they should."""

import json
import re

from . import Report, policy
from ..plan import Plan

TAGS = {"Application", "Environment", "ManagedBy"}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|PRIVATE|SESSION_KEY|API_KEY|ACCESS_KEY", re.IGNORECASE)
SECRET_VALUE = re.compile(r"://[^/@:]+:[^/@]+@|-----BEGIN|AKIA[0-9A-Z]{16}")


@policy
def logs_are_kept(plan: Plan, report: Report) -> None:
    """Every log group forgets, and none before 90 days; functions, API, web, cluster and trail all have one."""
    groups = plan.of("aws_cloudwatch_log_group")
    for group in groups:
        report.expect(group, (group.get("retention_in_days") or 0) >= 90, "is kept for less than 90 days or for ever")
    names = {group.get("name") for group in groups}
    for function in plan.of("aws_lambda_function"):
        report.expect(
            function, f"/aws/lambda/{function.get('function_name')}" in names, "would make a log group of its own, kept for ever"
        )
    for cluster in plan.of("aws_eks_cluster"):
        report.expect(
            cluster,
            {"api", "audit", "authenticator"} <= set(cluster.get("enabled_cluster_log_types", [])),
            "does not log who did what",
        )
        report.expect(
            cluster, f"/aws/eks/{cluster.get('name')}/cluster" in names, "would make a log group of its own, kept for ever"
        )


@policy
def everything_is_tagged(plan: Plan, report: Report) -> None:
    """What can have tags says what it belongs to."""
    for resource in plan.resources:
        if "tags_all" in resource.values and resource.type != "aws_default_security_group":
            missing = TAGS - set(resource.get("tags_all", {}))
            report.expect(resource, not missing, f"has no tag {', '.join(sorted(missing))}")


@policy
def no_secret_in_environments(plan: Plan, report: Report) -> None:
    """Environments can be read by whoever may describe: nothing in them signs anybody in."""

    def look(resource, environment: dict) -> None:
        for name, value in environment.items():
            report.expect(
                resource, not SECRET_NAME.search(name) and not SECRET_VALUE.search(value), f"tells {name} to whoever may look"
            )

    for function in plan.of("aws_lambda_function"):
        look(function, function.block("environment").get("variables") or {})
    for task in plan.of("aws_ecs_task_definition"):
        for container in json.loads(task.get("container_definitions")):
            look(task, {one["name"]: one["value"] for one in container.get("environment", [])})


@policy
def programs_are_confined(plan: Plan, report: Report) -> None:
    """Web runs as nobody on a file system it cannot write, without capabilities; no shell into tasks; functions are
    traced and run on the runtime that the packages are made for."""
    for task in plan.of("aws_ecs_task_definition"):
        for container in json.loads(task.get("container_definitions")):
            user = str(container.get("user", "0")).split(":")[0]
            report.expect(task, user not in ("", "0", "root"), "runs as root")
            report.expect(task, container.get("readonlyRootFilesystem") is True, "may write its file system")
            report.expect(
                task, "ALL" in container.get("linuxParameters", {}).get("capabilities", {}).get("drop", []), "keeps capabilities"
            )
            report.expect(task, not container["image"].endswith(":latest"), "may be another program tomorrow")
    for service in plan.of("aws_ecs_service"):
        report.expect(service, service.get("enable_execute_command") is not True, "can be entered")
        report.expect(
            service, service.block("deployment_circuit_breaker").get("rollback") is True, "does not roll a bad version back"
        )
    for function in plan.of("aws_lambda_function"):
        report.expect(function, function.block("tracing_config").get("mode") == "Active", "is not traced")
        report.expect(
            function,
            function.get("runtime") == "provided.al2023" and function.get("architectures") == ["x86_64"],
            "has another runtime",
        )


@policy
def alarms_tell_what_to_do(plan: Plan, report: Report) -> None:
    """Each alarm reaches somebody and names its runbook; each queue, dead-letter queue and function has one."""
    alarms = plan.of("aws_cloudwatch_metric_alarm")
    watched = {(alarm.get("metric_name"), value) for alarm in alarms for value in (alarm.get("dimensions") or {}).values()}
    for alarm in alarms:
        report.expect(alarm, bool(alarm.get("alarm_actions")), "reaches nobody")
        report.expect(alarm, "What to do: https://" in alarm.get("alarm_description", ""), "does not say what to do")
    for queue in plan.of("aws_sqs_queue"):
        metric = "ApproximateNumberOfMessagesVisible" if queue.get("name").endswith("-dlq") else "ApproximateAgeOfOldestMessage"
        report.expect(queue, (metric, queue.get("name")) in watched, f"has no alarm on {metric}")
    for function in plan.of("aws_lambda_function"):
        report.expect(function, ("Errors", function.get("function_name")) in watched, "has no alarm on its errors")


@policy
def the_trail_sees_everything(plan: Plan, report: Report) -> None:
    """One trail for all regions, signed, with global services."""
    for trail in plan.of("aws_cloudtrail"):
        whole = trail.get("is_multi_region_trail") and trail.get("include_global_service_events")
        report.expect(trail, whole is True, "does not see all regions")
        report.expect(trail, trail.get("enable_log_file_validation") is True, "could be rewritten")


@policy
def sign_in_is_strict(plan: Plan, report: Report) -> None:
    """Long passwords, nobody signs up by themselves, TOTP offered, both triggers there, short tokens, no hints about
    who exists."""
    for pool in plan.of("aws_cognito_user_pool"):
        report.expect(pool, pool.block("password_policy")["minimum_length"] >= 12, "takes short passwords")
        report.expect(pool, pool.block("admin_create_user_config")["allow_admin_create_user_only"] is True, "lets anybody sign up")
        report.expect(pool, pool.block("software_token_mfa_configuration").get("enabled") is True, "knows no TOTP")
        triggers = pool.block("lambda_config")
        report.expect(pool, bool(triggers.get("post_authentication")), "has no post-authentication trigger")
        generation = (triggers.get("pre_token_generation_config") or [{}])[0]
        report.expect(pool, generation.get("lambda_version") == "V2_0", "does not withhold the admins' group")
        report.expect(pool, not pool.get("device_configuration"), "remembers devices")
    for client in plan.of("aws_cognito_user_pool_client"):
        units = client.block("token_validity_units")
        report.expect(
            client,
            (client.get("access_token_validity"), units.get("access_token")) == (5, "minutes"),
            "gives access tokens that live longer than five minutes",
        )
        report.expect(client, client.get("prevent_user_existence_errors") == "ENABLED", "tells who exists")
        report.expect(client, client.get("enable_token_revocation") is True, "cannot revoke tokens")


@policy
def questions_are_bounded(plan: Plan, report: Report) -> None:
    """Athena ends what reads too much, and nobody steps around the workgroup."""
    for workgroup in plan.of("aws_athena_workgroup"):
        settings = workgroup.block("configuration")
        report.expect(workgroup, 0 < (settings.get("bytes_scanned_cutoff_per_query") or 0) <= 100 * 2**30, "reads without bound")
        report.expect(workgroup, settings["enforce_workgroup_configuration"] is True, "can be stepped around")
