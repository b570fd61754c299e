# One Lambda: its own role, its own log group, only the rights it is given.

locals {
  function    = "${var.context.name}-${var.name}"
  log_group   = "/aws/lambda/${local.function}"
  arn         = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account_id}:function:${local.function}"
  in_vpc      = var.network != null
  log_arn     = "arn:${var.context.partition}:logs:${var.context.region}:${var.context.account_id}:log-group:${local.log_group}"
  interfaces  = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
  environment = merge({ RUST_LOG = "info", CLOUDAPP_LOG_FORMAT = "json" }, var.environment)

  base_statements = [
    {
      Sid      = "OwnLog"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${local.log_arn}:*"
    },
    {
      # X-Ray knows no resources.
      Sid      = "Traces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = "*"
    },
  ]

  # Lambda itself makes the interfaces, under this role, and EC2 knows no resources for it; the function's own code
  # must not (AWS's own advice: deny by lambda:SourceFunctionArn).
  vpc_statements = [
    {
      Sid      = "InterfacesForLambda"
      Effect   = "Allow"
      Action   = local.interfaces
      Resource = "*"
    },
    {
      Sid       = "NotForTheCode"
      Effect    = "Deny"
      Action    = local.interfaces
      Resource  = "*"
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.arn } }
    },
  ]

  source_statements = var.event_source == null ? [] : [
    {
      Sid      = "ReadQueue"
      Effect   = "Allow"
      Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
      Resource = var.event_source.queue_arn
    },
  ]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_iam_role" "this" {
  name                 = local.function
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# What Lambda itself needs; it checks some of it when the function is made.
resource "aws_iam_role_policy" "runtime" {
  name = "runtime"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.base_statements,
      [for statement in local.vpc_statements : statement if local.in_vpc],
      local.source_statements,
      var.queue_key_arn == null ? [] : [{
        Sid      = "OpenMessages"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = var.queue_key_arn
      }],
    )
  })
}

# What the program does. Apart, because it may name what in turn names the function (Cognito and its trigger).
resource "aws_iam_role_policy" "program" {
  name   = "program"
  role   = aws_iam_role.this.id
  policy = jsonencode({ Version = "2012-10-17", Statement = var.statements })
}

resource "aws_security_group" "this" {
  count = local.in_vpc ? 1 : 0

  name        = local.function
  description = "The Lambda ${var.name}: nothing comes in"
  vpc_id      = var.network.vpc_id
  tags        = { Name = local.function }
}

resource "aws_vpc_security_group_egress_rule" "https" {
  count = local.in_vpc ? 1 : 0

  security_group_id = aws_security_group.this[0].id
  description       = "AWS and the issuer's keys"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "database" {
  count = local.in_vpc ? 1 : 0

  security_group_id = aws_security_group.this[0].id
  description       = "PostgreSQL in the VPC"
  cidr_ipv4         = var.network.cidr
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}

resource "aws_lambda_function" "this" {
  function_name    = local.function
  description      = var.description
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  architectures    = ["x86_64"]
  handler          = "bootstrap"
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  timeout          = var.timeout_seconds
  memory_size      = var.memory_mib
  kms_key_arn      = var.key_arn

  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text" # the programs write JSON themselves; Lambda would wrap it once more
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "Active"
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [var.network] : []
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = [aws_security_group.this[0].id]
    }
  }

  # The role alone is not enough: Lambda makes interfaces under its rights.
  depends_on = [aws_iam_role_policy.runtime]
}

resource "aws_lambda_event_source_mapping" "this" {
  count = var.event_source == null ? 0 : 1

  event_source_arn                   = var.event_source.queue_arn
  function_name                      = aws_lambda_function.this.arn
  batch_size                         = var.event_source.batch_size
  maximum_batching_window_in_seconds = 0 # somebody waits for login details
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.event_source.maximum_concurrency
  }
}

resource "aws_lambda_permission" "this" {
  for_each = var.invokers

  statement_id   = each.key
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = each.value.service
  source_arn     = each.value.source_arn
  source_account = var.context.account_id
}
