"""What is stored: encrypted, kept, brought back, and shown to nobody."""

import json

from . import Report, policy
from ..plan import Plan, as_list, statements


def _ours(key) -> bool:
    return isinstance(key, str) and ":key/" in key


@policy
def encrypted_with_our_keys(plan: Plan, report: Report) -> None:
    """Everything at rest is encrypted; by keys of ours wherever AWS lets us."""
    for queue in plan.of("aws_sqs_queue"):
        report.expect(queue, _ours(queue.get("kms_master_key_id")), "is not encrypted with a key of ours")
    for topic in plan.of("aws_sns_topic"):
        report.expect(topic, _ours(topic.get("kms_master_key_id")), "is not encrypted with a key of ours")
    for cluster in plan.of("aws_rds_cluster"):
        report.expect(cluster, cluster.get("storage_encrypted") is True and _ours(cluster.get("kms_key_id")), "is not encrypted")
    for repository in plan.of("aws_ecr_repository"):
        report.expect(repository, repository.block("encryption_configuration").get("encryption_type") == "KMS", "is not encrypted")
    for secret in plan.of("aws_secretsmanager_secret"):
        report.expect(secret, _ours(secret.get("kms_key_id")), "is not encrypted with a key of ours")
    for function in plan.of("aws_lambda_function"):
        report.expect(function, _ours(function.get("kms_key_arn")), "its environment is not encrypted with a key of ours")
    for cluster in plan.of("aws_eks_cluster"):
        blocks = cluster.get("encryption_config", [])
        report.expect(cluster, any("secrets" in block["resources"] for block in blocks), "does not encrypt Kubernetes secrets")
    for workgroup in plan.of("aws_athena_workgroup"):
        result = workgroup.block("configuration")["result_configuration"][0]
        encryption = (result.get("encryption_configuration") or [{}])[0]
        report.expect(workgroup, encryption.get("encryption_option") == "SSE_KMS", "does not encrypt results")
    for trail in plan.of("aws_cloudtrail"):
        report.expect(trail, _ours(trail.get("kms_key_id")), "is not encrypted with a key of ours")
    for group in plan.of("aws_cloudwatch_log_group"):
        # Keys belong to a region; CloudFront's firewall logs in us-east-1, encrypted by AWS.
        edge = group.address.startswith("module.cloudapp.module.firewall_edge.")
        report.expect(group, edge or _ours(group.get("kms_key_id")), "is not encrypted with a key of ours")


@policy
def buckets_are_closed(plan: Plan, report: Report) -> None:
    """Every bucket is encrypted, versioned, cleared, owned by us alone, and closed to the public in all four ways."""
    parts = {
        "aws_s3_bucket_public_access_block": lambda r: all(
            r.get(name) is True
            for name in ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        ),
        "aws_s3_bucket_server_side_encryption_configuration": lambda r: bool(
            r.block("rule").get("apply_server_side_encryption_by_default")
        ),
        "aws_s3_bucket_versioning": lambda r: r.block("versioning_configuration").get("status") == "Enabled",
        "aws_s3_bucket_ownership_controls": lambda r: r.block("rule").get("object_ownership") == "BucketOwnerEnforced",
        "aws_s3_bucket_lifecycle_configuration": lambda r: any(
            rule["abort_incomplete_multipart_upload"] for rule in r.get("rule", []) if rule["status"] == "Enabled"
        ),
        "aws_s3_bucket_policy": lambda r: True,
    }
    for kind, holds in parts.items():
        by_bucket = {resource.get("bucket"): resource for resource in plan.of(kind)}
        for bucket in plan.of("aws_s3_bucket"):
            part = by_bucket.get(bucket.get("bucket"))
            report.expect(bucket, part is not None, f"has no {kind}")
            if part is not None:
                report.expect(part, holds(part), "leaves the bucket open")
    # What nobody else reads has a key of ours.
    keyless = {"assets", "access-logs"}
    for found in plan.of("aws_s3_bucket_server_side_encryption_configuration"):
        default = found.block("rule")["apply_server_side_encryption_by_default"][0]
        name = found.get("bucket")
        report.expect(
            found,
            default["sse_algorithm"] == "aws:kms" or any(f"-{part}-" in name for part in keyless),
            "is not encrypted with a key of ours",
        )


@policy
def tls_only(plan: Plan, report: Report) -> None:
    """Queues, topics and buckets refuse plain HTTP, each of them."""
    for kind, part, link in (
        ("aws_sqs_queue", "aws_sqs_queue_policy", ("id", "queue_url")),
        ("aws_sns_topic", "aws_sns_topic_policy", ("arn", "arn")),
        ("aws_s3_bucket", "aws_s3_bucket_policy", ("bucket", "bucket")),
    ):
        policies = {resource.get(link[1]): resource for resource in plan.of(part)}
        for resource in plan.of(kind):
            found = policies.get(resource.get(link[0]))
            denies = (
                []
                if found is None
                else [
                    statement
                    for statement in statements(found.json("policy"))
                    if statement["Effect"] == "Deny"
                    and statement["Principal"] == "*"
                    and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
                ]
            )
            arn = resource.get("arn")
            report.expect(resource, any(arn in as_list(statement["Resource"]) for statement in denies), "takes plain HTTP")


@policy
def queues_lose_nothing(plan: Plan, report: Report) -> None:
    """Each queue has a dead-letter queue of its own, which takes from no other, and keeps messages for two weeks."""
    queues = plan.of("aws_sqs_queue")
    by_arn = {queue.get("arn"): queue for queue in queues}
    allowed = {found.get("queue_url"): found for found in plan.of("aws_sqs_queue_redrive_allow_policy")}
    for queue in queues:
        report.expect(queue, queue.get("message_retention_seconds") == 1209600, "forgets messages before two weeks are over")
        if queue.get("name").endswith("-dlq"):
            allow = allowed.get(queue.get("id"))
            sources = json.loads(allow.get("redrive_allow_policy"))["sourceQueueArns"] if allow else []
            report.expect(queue, sources == [queue.get("arn").removesuffix("-dlq")], "takes dead letters of other queues")
            continue
        redrive = json.loads(queue.get("redrive_policy", "null") or "null") or {}
        target = by_arn.get(redrive.get("deadLetterTargetArn"))
        report.expect(queue, target is not None and target.get("name") == queue.get("name") + "-dlq", "has no dead-letter queue")
        report.expect(queue, int(redrive.get("maxReceiveCount", 0)) >= 3, "gives messages up after fewer than three tries")


@policy
def visibility_outlasts_the_consumer(plan: Plan, report: Report) -> None:
    """A queue's visibility timeout is at least six times its Lambda's timeout; the Lambda reports single failures."""
    queues = {queue.get("arn"): queue for queue in plan.of("aws_sqs_queue")}
    functions = {function.get("arn"): function for function in plan.of("aws_lambda_function")}
    for mapping in plan.of("aws_lambda_event_source_mapping"):
        queue, function = queues[mapping.get("event_source_arn")], functions[mapping.get("function_arn")]
        enough = queue.get("visibility_timeout_seconds") >= 6 * function.get("timeout")
        report.expect(
            mapping, enough, f"{queue.get('visibility_timeout_seconds')} s of visibility for {function.get('timeout')} s of timeout"
        )
        report.expect(
            mapping, "ReportBatchItemFailures" in mapping.get("function_response_types", []), "one failure repeats the whole batch"
        )


@policy
def database_is_kept(plan: Plan, report: Report) -> None:
    """Backups, protection, IAM sign-in, a password that RDS keeps, TLS enforced, two zones."""
    for cluster in plan.of("aws_rds_cluster"):
        report.expect(cluster, cluster.get("deletion_protection") is True, "can be deleted")
        report.expect(cluster, cluster.get("skip_final_snapshot") is False, "would be deleted without a last snapshot")
        report.expect(cluster, cluster.get("backup_retention_period") >= 7, "keeps backups for less than a week")
        report.expect(cluster, cluster.get("iam_database_authentication_enabled") is True, "takes no IAM sign-in")
        report.expect(cluster, cluster.get("manage_master_user_password") is True, "has a password in the state")
        report.expect(cluster, cluster.get("copy_tags_to_snapshot") is True, "makes snapshots without tags")
        instances = [
            one for one in plan.of("aws_rds_cluster_instance") if one.get("cluster_identifier") == cluster.get("cluster_identifier")
        ]
        report.expect(cluster, len(instances) >= 2, "does not survive a zone")
    for instance in plan.of("aws_rds_cluster_instance"):
        report.expect(instance, instance.get("publicly_accessible") is False, "is public")
    for group in plan.of("aws_rds_cluster_parameter_group"):
        values = {one["name"]: one["value"] for one in group.get("parameter", [])}
        report.expect(group, values.get("rds.force_ssl") == "1", "takes plain connections")


@policy
def deletion_is_refused(plan: Plan, report: Report) -> None:
    """What holds data or a name refuses to go by accident."""
    for pool in plan.of("aws_cognito_user_pool"):
        report.expect(pool, pool.get("deletion_protection") == "ACTIVE", "can be deleted")
    for balancer in plan.of("aws_lb"):
        report.expect(balancer, balancer.get("enable_deletion_protection") is True, "can be deleted")
    for bucket in plan.of("aws_s3_bucket"):
        report.expect(bucket, bucket.get("force_destroy") is False, "is deleted with what is in it")
    for repository in plan.of("aws_ecr_repository"):
        report.expect(repository, repository.get("force_delete") is not True, "is deleted with its images")
        report.expect(repository, repository.get("image_tag_mutability") == "IMMUTABLE", "lets tags change their meaning")
    for secret in plan.of("aws_secretsmanager_secret"):
        report.expect(secret, secret.get("recovery_window_in_days") >= 7, "is deleted at once")


@policy
def keys_rotate(plan: Plan, report: Report) -> None:
    """Keys that encrypt rotate, and can be brought back for a month."""
    for key in plan.of("aws_kms_key"):
        if key.get("key_usage", "ENCRYPT_DECRYPT") == "ENCRYPT_DECRYPT":
            report.expect(key, key.get("enable_key_rotation") is True, "does not rotate")
        report.expect(key, key.get("deletion_window_in_days") == 30, "can be brought back for less than a month")
