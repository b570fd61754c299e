# What the account may cost in a month, and who hears of it: at half, at four fifths, when it is spent, and when AWS
# foresees that it will be.

locals {
  notices = {
    half     = { threshold = 50, type = "ACTUAL" }
    warning  = { threshold = 80, type = "ACTUAL" }
    spent    = { threshold = 100, type = "ACTUAL" }
    foreseen = { threshold = 100, type = "FORECASTED" }
  }
}

resource "aws_budgets_budget" "this" {
  name         = "${var.context.name}-monthly"
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "notification" {
    for_each = local.notices
    content {
      comparison_operator       = "GREATER_THAN"
      notification_type         = notification.value.type
      threshold                 = notification.value.threshold
      threshold_type            = "PERCENTAGE"
      subscriber_sns_topic_arns = [var.topic_arn]
    }
  }
}
