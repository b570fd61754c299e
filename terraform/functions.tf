# The Lambdas, each by itself: Cognito and its trigger name each other, and so do the database and its clients.

locals {
  function_network = {
    vpc_id = module.network.vpc_id, cidr = module.network.cidr, subnet_ids = module.network.app_subnet_ids
  }
}

# Outside the VPC: a trigger has five seconds, and it needs nothing in there.
module "function_auth" {
  source = "./modules/function"

  context     = local.context
  name        = "auth"
  description = "Cognito's triggers: first sign-ins, and the second factor of admins"
  invokers    = { cognito = { service = "cognito-idp.amazonaws.com", source_arn = module.identity.user_pool_arn } }
  environment = {
    CLOUDAPP_ADMIN_TOPIC_ARN   = module.messaging.topic_arns.admin
    CLOUDAPP_FIRST_SEEN_BUCKET = module.buckets["first-seen"].name
    CLOUDAPP_WEB_URL           = local.web_url
  }
  statements = [
    local.tell_admins,
    local.use_key_by.sns,
    local.use_key_by.s3,
    {
      Sid      = "RememberFirstSignIns"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = "${local.bucket_arns["first-seen"]}/first-seen/*"
    },
    {
      # Without it S3 answers 403 for a record that is not there yet.
      Sid       = "SeeThatThereIsNone"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = local.bucket_arns["first-seen"]
      Condition = { StringLike = { "s3:prefix" = "first-seen/*" } }
    },
    {
      Sid      = "AskForTheSecondFactor"
      Effect   = "Allow"
      Action   = "cognito-idp:AdminGetUser"
      Resource = module.identity.user_pool_arn
    },
  ]

  package                  = var.lambda_packages["auth"]
  timeout_seconds          = local.timeouts["auth"]
  reserved_concurrency     = var.lambda_concurrency
  key_arn                  = module.keys.arns.data
  logs_key_arn             = module.keys.arns.logs
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "function_login_poller" {
  source = "./modules/function"

  context       = local.context
  name          = "login-poller"
  description   = "Takes login details from the queue; answers GET /executions/{id}"
  network       = local.function_network
  event_source  = { queue_arn = module.messaging.queue_arns.login }
  queue_key_arn = module.keys.arns.data
  environment = merge(local.token_environment, local.database_environment.login, {
    CLOUDAPP_DATABASE_CONNECTIONS = "2" # an execution answers one event at a time
  })
  statements = [local.sign_in_as.login]

  package                  = var.lambda_packages["login-poller"]
  timeout_seconds          = local.timeouts["login-poller"]
  reserved_concurrency     = var.lambda_concurrency
  key_arn                  = module.keys.arns.data
  logs_key_arn             = module.keys.arns.logs
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "function_stop_ec2" {
  source = "./modules/function"

  context     = local.context
  name        = "stop-ec2"
  description = "The admin's abrupt stop of a machine"
  network     = local.function_network
  environment = merge(local.token_environment, local.database_environment.stop_ec2, {
    CLOUDAPP_DATABASE_CONNECTIONS      = "2"
    CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL = module.messaging.queue_urls.instance_events
  })
  statements = concat(module.machines.stop_statements, [
    local.sign_in_as.stop_ec2,
    local.use_key_by.sqs,
    {
      Sid      = "TellTheWorkflow"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = module.messaging.queue_arns.instance_events
    },
  ])

  package                  = var.lambda_packages["stop-ec2"]
  timeout_seconds          = local.timeouts["stop-ec2"]
  reserved_concurrency     = var.lambda_concurrency
  key_arn                  = module.keys.arns.data
  logs_key_arn             = module.keys.arns.logs
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
}
