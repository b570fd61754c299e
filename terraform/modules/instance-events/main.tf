# What EC2 tells of machines: hints, for the whole account. They come early, late, twice or never.

locals {
  rules = {
    state-change = {
      description = "EC2 machines that changed their state"
      detail_type = "EC2 Instance State-change Notification"
    }
    spot-interruption = {
      description = "EC2 spot machines that will be taken back in two minutes"
      detail_type = "EC2 Spot Instance Interruption Warning"
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.rules

  name          = "${var.context.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode({ source = ["aws.ec2"], "detail-type" = [each.value.detail_type] })
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.rules

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "instance-events"
  arn       = var.queue_arn

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 10
  }
}
