# Modules that keep data, with a mocked provider: each assertion fails when its line in the module is changed
# (checks/cloudapp_checks/mutations.py). session-key is not here, for mocks know no ephemeral resources:
# checks/cloudapp_checks/session_key.py makes it with the real provider.

mock_provider "aws" {
  override_during = plan # nothing has to be applied to be known

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/00000000-0000-0000-0000-000000000000" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:cloudapp-login-dlq" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:cloudapp-admin" }
  }
  mock_resource "aws_rds_cluster" {
    defaults = {
      endpoint            = "db.example.internal"
      cluster_resource_id = "cluster-ABC"
      master_user_secret  = [{ secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!x", kms_key_id = "", secret_status = "active" }]
    }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

variables {
  context      = { name = "cloudapp", partition = "aws", account_id = "123456789012", region = "eu-west-1" }
  key_arn      = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  logs_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-2222-2222-222222222222"
}

run "keys" {
  command = plan
  module {
    source = "./modules/keys"
  }

  variables {
    ssh_ca_signer_role_arn = "arn:aws:iam::123456789012:role/cloudapp-provision-instance"
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation]) && length(aws_kms_key.this) == 4
    error_message = "every encryption key rotates"
  }

  assert {
    condition     = aws_kms_key.ssh_ca.customer_master_key_spec == "ECC_NIST_P256" && aws_kms_key.ssh_ca.key_usage == "SIGN_VERIFY"
    error_message = "the authority signs with P-256"
  }

  assert {
    condition = [for one in jsondecode(aws_kms_key.ssh_ca.policy).Statement : one.Condition.ArnNotEquals["aws:PrincipalArn"]
    if one.Effect == "Deny" && one.Action == "kms:Sign"] == ["arn:aws:iam::123456789012:role/cloudapp-provision-instance"]
    error_message = "nobody but provision-instance signs"
  }

  assert {
    condition = alltrue([for one in jsondecode(aws_kms_key.this["data"].policy).Statement :
    can(one.Principal.Service) ? one.Condition.StringEquals["aws:SourceAccount"] == "123456789012" : true])
    error_message = "services use the key for this account only"
  }
}

run "trail_can_look_at_its_key" {
  command = plan
  module {
    source = "./modules/keys"
  }
  variables {
    ssh_ca_signer_role_arn = "arn:aws:iam::123456789012:role/cloudapp-provision-instance"
  }
  assert {
    condition = jsonencode([for one in jsondecode(aws_kms_key.this["logs"].policy).Statement : keys(one.Condition)
    if one.Action == "kms:DescribeKey"]) == jsonencode([["StringEquals"]])
    error_message = "describing a key has no encryption context"
  }
}

run "keys_refuse_what_is_no_role" {
  command = plan
  module {
    source = "./modules/keys"
  }
  variables {
    ssh_ca_signer_role_arn = "provision-instance"
    deletion_window_days   = 3
  }
  expect_failures = [var.ssh_ca_signer_role_arn, var.deletion_window_days]
}

run "bucket" {
  command = plan
  module {
    source = "./modules/bucket"
  }

  variables {
    bucket      = "cloudapp-events-123456789012"
    expire_days = 7
  }

  assert {
    condition = (aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy
    && aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets)
    error_message = "the bucket is closed in all four ways"
  }

  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "the bucket is encrypted with our key"
  }

  assert {
    condition     = [for one in jsondecode(aws_s3_bucket_policy.this.policy).Statement : [one.Effect, one.Condition.Bool["aws:SecureTransport"]]] == [["Deny", "false"]]
    error_message = "plain HTTP is refused"
  }

  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.expiration).days if rule.id == "expire"]) == 7
    error_message = "objects go after a week"
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy == false && one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled"
    error_message = "what is deleted can be brought back"
  }
}

run "bucket_refuses_a_bad_name" {
  command = plan
  module {
    source = "./modules/bucket"
  }
  variables {
    bucket = "CloudApp_Events"
  }
  expect_failures = [var.bucket]
}

run "queue" {
  command = plan
  module {
    source = "./modules/queue"
  }

  variables {
    queue                      = "cloudapp-login"
    visibility_timeout_seconds = 60
    senders                    = { rule = { service = "events.amazonaws.com", source_arn = "arn:aws:events:eu-west-1:123456789012:rule/r" } }
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 5 }
    error_message = "what fails five times goes to the dead-letter queue"
  }

  assert {
    condition     = aws_sqs_queue.dead.name == "cloudapp-login-dlq" && aws_sqs_queue.dead.message_retention_seconds == 1209600
    error_message = "dead letters are kept for two weeks"
  }

  assert {
    condition     = aws_sqs_queue.this.kms_master_key_id == var.key_arn && aws_sqs_queue.dead.kms_master_key_id == var.key_arn
    error_message = "both queues are encrypted"
  }

  assert {
    condition = alltrue([for policy in [aws_sqs_queue_policy.this.policy, aws_sqs_queue_policy.dead.policy] :
    length([for one in jsondecode(policy).Statement : one if one.Effect == "Deny" && try(one.Condition.Bool["aws:SecureTransport"], "") == "false"]) == 1])
    error_message = "both queues refuse plain HTTP"
  }

  assert {
    condition = [for one in jsondecode(aws_sqs_queue_policy.this.policy).Statement : one.Condition.ArnEquals["aws:SourceArn"]
    if one.Effect == "Allow"] == ["arn:aws:events:eu-west-1:123456789012:rule/r"]
    error_message = "EventBridge sends for one rule only"
  }
}

run "messaging" {
  command = plan
  module {
    source = "./modules/messaging"
  }

  variables {
    login_poller_timeout_seconds = 10
    event_rule_arns              = { state-change = "arn:aws:events:eu-west-1:123456789012:rule/cloudapp-state-change" }
    admin_mail                   = ["admin@example.com"]
  }

  assert {
    condition     = output.queue_names == { login = "cloudapp-login", mail = "cloudapp-mail", instance_events = "cloudapp-instance-events" }
    error_message = "the queues are named as the programs know them"
  }

  assert {
    condition     = alltrue([for topic in aws_sns_topic.this : topic.kms_master_key_id == var.key_arn]) && toset(keys(aws_sns_topic.this)) == toset(["admin", "events"])
    error_message = "both topics are encrypted"
  }

  assert {
    condition     = length([for one in jsondecode(aws_sns_topic_policy.this["events"].policy).Statement : one if one.Effect == "Allow"]) == 0
    error_message = "alarms are for the admins only"
  }
}

run "messaging_refuses_what_is_no_address" {
  command = plan
  module {
    source = "./modules/messaging"
  }
  variables {
    login_poller_timeout_seconds = 10
    event_rule_arns              = {}
    admin_mail                   = ["admin"]
  }
  expect_failures = [var.admin_mail]
}

run "database" {
  command = plan
  module {
    source = "./modules/database"
  }

  variables {
    vpc_id                    = "vpc-1"
    subnet_ids                = ["subnet-1", "subnet-2", "subnet-3"]
    client_security_group_ids = { services = "sg-services" }
    capacity                  = { min = 1, max = 16 }
    instances                 = 2
    deletion_protection       = true
    final_snapshot            = true
  }

  assert {
    condition     = aws_rds_cluster.this.storage_encrypted && aws_rds_cluster.this.kms_key_id == var.key_arn && aws_rds_cluster.this.manage_master_user_password
    error_message = "encrypted, and RDS keeps the password"
  }

  assert {
    condition     = aws_rds_cluster.this.iam_database_authentication_enabled && aws_rds_cluster.this.deletion_protection && !aws_rds_cluster.this.skip_final_snapshot
    error_message = "IAM sign-in, protected, with a last snapshot"
  }

  assert {
    condition     = [for one in aws_rds_cluster_parameter_group.this.parameter : one.value if one.name == "rds.force_ssl"] == ["1"]
    error_message = "TLS is enforced"
  }

  assert {
    condition     = alltrue([for one in aws_rds_cluster_instance.this : !one.publicly_accessible && one.instance_class == "db.serverless"]) && length(aws_rds_cluster_instance.this) == 2
    error_message = "two serverless instances, none public"
  }

  assert {
    condition = alltrue([for rule in aws_vpc_security_group_ingress_rule.client :
    rule.from_port == 5432 && rule.to_port == 5432 && rule.referenced_security_group_id == "sg-services"])
    error_message = "PostgreSQL from the services' group only"
  }

  assert {
    condition     = output.user_arn_prefix == "arn:aws:rds-db:eu-west-1:123456789012:dbuser:cluster-ABC"
    error_message = "IAM grants name the cluster's resource id"
  }
}

run "database_refuses_to_sleep" {
  command = plan
  module {
    source = "./modules/database"
  }
  variables {
    vpc_id                    = "vpc-1"
    subnet_ids                = ["subnet-1"]
    client_security_group_ids = {}
    capacity                  = { min = 0, max = 4 }
    instances                 = 1
    engine_version            = "17.2"
    backup_retention_days     = 1
    deletion_protection       = false
    final_snapshot            = false
  }
  expect_failures = [var.capacity, var.engine_family, var.backup_retention_days]
}

run "statistics" {
  command = plan
  module {
    source = "./modules/statistics"
  }

  variables {
    events_bucket  = "cloudapp-events-123456789012"
    results_bucket = "cloudapp-athena-results-123456789012"
  }

  assert {
    condition     = aws_glue_catalog_table.this.parameters["storage.location.template"] == "s3://cloudapp-events-123456789012/instance_events/tier=$${tier}/dt=$${dt}/"
    error_message = "partitions are found where events are written"
  }

  assert {
    condition     = split(",", aws_glue_catalog_table.this.parameters["projection.dt.range"])[1] == "NOW+1DAY"
    error_message = "there is a partition for every day, today's and where it is tomorrow already"
  }

  assert {
    condition     = one(aws_athena_workgroup.this.configuration).bytes_scanned_cutoff_per_query == 10737418240
    error_message = "queries are bounded"
  }

  assert {
    condition     = one(aws_athena_workgroup.this.configuration).enforce_workgroup_configuration
    error_message = "no query brings settings of its own instead of the workgroup's"
  }

  assert {
    condition = [for result in one(aws_athena_workgroup.this.configuration).result_configuration : [
      result.output_location, one(result.encryption_configuration).encryption_option, one(result.encryption_configuration).kms_key_arn
    ]] == [["s3://cloudapp-athena-results-123456789012/", "SSE_KMS", var.key_arn]]
    error_message = "results are encrypted with our key"
  }

  assert {
    condition     = length(one(aws_glue_catalog_table.this.storage_descriptor).columns) == 21
    error_message = "the table has the columns that events have"
  }
}

run "registry" {
  command = plan
  module {
    source = "./modules/registry"
  }

  assert {
    condition     = alltrue([for one in aws_ecr_repository.this : one.image_tag_mutability == "IMMUTABLE" && one.force_delete == false && one(one.encryption_configuration).encryption_type == "KMS"])
    error_message = "tags keep their meaning, images are encrypted and kept"
  }

  assert {
    condition     = output.prefix == "123456789012.dkr.ecr.eu-west-1.amazonaws.com/cloudapp" && contains(keys(aws_ecr_repository.this), "operate")
    error_message = "images are where the chart looks for them"
  }
}
