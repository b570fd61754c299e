# What each part may do, and nothing beside it. The names of the parts are the names of the roles.

locals {
  aws = "arn:${local.context.partition}"
  at  = "${local.context.region}:${local.context.account_id}"

  sign_in_as = { for user in ["configure", "provision", "login", "stop_ec2"] : user => {
    Sid      = "DatabaseAs${replace(title(replace(user, "_", " ")), " ", "")}"
    Effect   = "Allow"
    Action   = "rds-db:connect"
    Resource = "${module.database.user_arn_prefix}/${user}"
  } }

  # Using an encrypted thing of one service is not using the key for another's.
  use_key_by = { for service in ["sqs", "sns", "s3"] : service => {
    Sid       = "DataKeyThrough${title(service)}"
    Effect    = "Allow"
    Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource  = module.keys.arns.data
    Condition = { StringEquals = { "kms:ViaService" = "${service}.${local.context.region}.amazonaws.com" } }
  } }

  bucket_arns = { for name, bucket in module.buckets : name => bucket.arn }

  tell_admins = {
    Sid      = "TellTheAdmins"
    Effect   = "Allow"
    Action   = "sns:Publish"
    Resource = module.messaging.topic_arns.admin
  }

  service_accounts = {
    configure-instance = [local.sign_in_as.configure]

    provision-instance = concat(module.machines.provision_statements, [
      local.sign_in_as.provision,
      local.tell_admins,
      local.use_key_by.sqs,
      local.use_key_by.sns,
      local.use_key_by.s3,
      {
        Sid      = "HandOverLoginDetails"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = module.messaging.queue_arns.login
      },
      {
        Sid      = "HearOfMachines"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
        Resource = module.messaging.queue_arns.instance_events
      },
      {
        Sid      = "WriteTheEventLog"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "${local.bucket_arns["events"]}/instance_events/*"
      },
      {
        Sid      = "SignLoginCertificates"
        Effect   = "Allow"
        Action   = "kms:Sign"
        Resource = module.keys.ssh_ca_arn
        Condition = {
          StringEquals = { "kms:SigningAlgorithm" = "ECDSA_SHA_256", "kms:MessageType" = "DIGEST" }
        }
      },
      {
        Sid      = "ShowTheAuthority"
        Effect   = "Allow"
        Action   = "kms:GetPublicKey"
        Resource = module.keys.ssh_ca_arn
      },
    ])

    view-stats = [
      local.use_key_by.s3,
      {
        Sid      = "AskAthena"
        Effect   = "Allow"
        Action   = ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StopQueryExecution", "athena:GetWorkGroup"]
        Resource = module.statistics.workgroup_arn
      },
      {
        Sid      = "KnowTheTable"
        Effect   = "Allow"
        Action   = ["glue:GetDatabase", "glue:GetTable", "glue:GetPartition", "glue:GetPartitions"]
        Resource = module.statistics.catalog_arns
      },
      {
        Sid      = "ReadTheEventLog"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${local.bucket_arns["events"]}/instance_events/*"
      },
      {
        Sid      = "ListForAthena"
        Effect   = "Allow"
        Action   = ["s3:ListBucket", "s3:GetBucketLocation"]
        Resource = [local.bucket_arns["events"], local.bucket_arns["athena-results"]]
      },
      {
        Sid      = "KeepResults"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        Resource = "${local.bucket_arns["athena-results"]}/*"
      },
    ]

    # The migration job: makes the roles with the master's password, then migrates each schema as its owner.
    operate = [
      local.sign_in_as.configure, local.sign_in_as.provision, local.sign_in_as.login,
      {
        Sid      = "MasterPassword"
        Effect   = "Allow"
        Action   = "secretsmanager:GetSecretValue"
        Resource = module.database.master_secret_arn
      },
      {
        Sid       = "OpenMasterPassword"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = module.keys.arns.database
        Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${local.context.region}.amazonaws.com" } }
      },
    ]

    # The chart's collector of metrics and traces.
    telemetry = [
      {
        # CloudWatch knows no resource for it; the namespace stands for one.
        Sid       = "OwnMetrics"
        Effect    = "Allow"
        Action    = "cloudwatch:PutMetricData"
        Resource  = "*"
        Condition = { StringEquals = { "cloudwatch:namespace" = "CloudApp" } }
      },
      {
        # X-Ray knows no resources.
        Sid      = "Traces"
        Effect   = "Allow"
        Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]
        Resource = "*"
      },
      {
        Sid      = "MetricsAsLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        Resource = "${local.aws}:logs:${local.at}:log-group:/${var.name}/metrics:*"
      },
    ]
  }

  # Web manages users by Cognito's admin API; everything else it does under the signed-in user's own token.
  web_statements = [{
    Sid    = "ManageUsers"
    Effect = "Allow"
    Action = [
      "cognito-idp:AdminAddUserToGroup", "cognito-idp:AdminCreateUser", "cognito-idp:AdminDeleteUser",
      "cognito-idp:AdminDisableUser", "cognito-idp:AdminEnableUser", "cognito-idp:AdminGetUser",
      "cognito-idp:AdminListGroupsForUser", "cognito-idp:AdminRemoveUserFromGroup",
      "cognito-idp:AdminUserGlobalSignOut", "cognito-idp:DescribeUserPool", "cognito-idp:ListUsers",
    ]
    Resource = module.identity.user_pool_arn
  }]
}

resource "aws_cloudwatch_log_group" "metrics" {
  name              = "/${var.name}/metrics"
  retention_in_days = var.log_retention_days
  kms_key_id        = module.keys.arns.logs
}
