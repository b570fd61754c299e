# The queues and topics between CloudApp's parts. Visibility is six times what the consumer may take.

module "login" {
  source = "../queue"

  context                    = var.context
  queue                      = "${var.context.name}-login"
  visibility_timeout_seconds = 6 * var.login_poller_timeout_seconds
  key_arn                    = var.key_arn
}

module "mail" {
  source = "../queue"

  context                    = var.context
  queue                      = "${var.context.name}-mail"
  visibility_timeout_seconds = 6 * var.mailer_timeout_seconds
  key_arn                    = var.key_arn
}

module "instance_events" {
  source = "../queue"

  context                    = var.context
  queue                      = "${var.context.name}-instance-events"
  visibility_timeout_seconds = 60
  key_arn                    = var.key_arn
  senders = { for sid, rule_arn in var.event_rule_arns : sid => {
    service    = "events.amazonaws.com"
    source_arn = rule_arn
  } }
}

locals {
  topics     = toset(["admin", "events"])
  topic_arns = { for topic in local.topics : topic => "arn:${var.context.partition}:sns:${var.context.region}:${var.context.account_id}:${var.context.name}-${topic}" }
}

resource "aws_sns_topic" "this" {
  for_each = local.topics

  name              = "${var.context.name}-${each.key}"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.topics

  arn = aws_sns_topic.this[each.key].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = local.topic_arns[each.key]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      # Alarms and budgets are for the admins.
      each.key != "admin" ? [] : [{
        Sid       = "AlarmsAndBudgets"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = "sns:Publish"
        Resource  = local.topic_arns[each.key]
        Condition = { StringEquals = { "aws:SourceAccount" = var.context.account_id } }
      }],
    )
  })
}

# Whoever is named here gets a mail from AWS and must confirm it.
resource "aws_sns_topic_subscription" "admins" {
  for_each = var.admin_mail

  topic_arn = aws_sns_topic.this["admin"].arn
  protocol  = "email"
  endpoint  = each.key
}
