# `definitions` (observability/alarms.json) says what is alarming; this says where it is measured: one alarm for each
# definition, or for each resource of the kind that it is about. Every alarm names its runbook, and speaks when it is
# over, too. `native` adds what only AWS knows of the parts.

locals {
  # Definitions for CloudWatch, each for every resource of its kind; `of` null is the whole installation.
  defined = merge([for name, alarm in var.definitions.alarms : {
    for resource, value in alarm.cloudwatch == null ? {} : alarm.cloudwatch.of == null ? { "" = "" } : var.resources[alarm.cloudwatch.of] :
    (resource == "" ? name : "${name}-${resource}") => {
      summary    = alarm.summary
      severity   = alarm.severity
      runbook    = name
      namespace  = alarm.cloudwatch.namespace
      metric     = alarm.cloudwatch.metric
      dimensions = alarm.cloudwatch.of == null ? {} : { (alarm.cloudwatch.dimension) = value }
      statistic  = alarm.cloudwatch.statistic
      comparison = alarm.cloudwatch.comparison
      threshold  = alarm.cloudwatch.threshold
      period     = alarm.cloudwatch.period
      periods    = alarm.cloudwatch.periods
      missing    = alarm.cloudwatch.missing
    }
  }]...)

  native = {
    web-unreachable = {
      summary    = "The load balancer has no web task that it can ask."
      severity   = "page", runbook = "dependency-down"
      namespace  = "AWS/ApplicationELB", metric = "HealthyHostCount", statistic = "Minimum"
      dimensions = { LoadBalancer = var.web.balancer, TargetGroup = var.web.target_group }
      comparison = "LessThanThreshold", threshold = 1, period = 60, periods = 2, missing = "breaching"
    }
    api-errors = {
      summary    = "API Gateway, or a Lambda behind it, answers with server errors."
      severity   = "page", runbook = "lambda-errors"
      namespace  = "AWS/ApiGateway", metric = "5xx", statistic = "Sum"
      dimensions = { ApiId = var.api_id }
      comparison = "GreaterThanThreshold", threshold = 5, period = 300, periods = 1, missing = "notBreaching"
    }
    database-capacity = {
      summary    = "The database has been near its largest capacity for a quarter of an hour."
      severity   = "ticket", runbook = "dependency-down"
      namespace  = "AWS/RDS", metric = "ACUUtilization", statistic = "Average"
      dimensions = { DBClusterIdentifier = var.database.cluster_identifier }
      comparison = "GreaterThanThreshold", threshold = 85, period = 300, periods = 3, missing = "notBreaching"
    }
    database-connections = {
      summary    = "The database has more connections than all parts together should open."
      severity   = "ticket", runbook = "dependency-down"
      namespace  = "AWS/RDS", metric = "DatabaseConnections", statistic = "Maximum"
      dimensions = { DBClusterIdentifier = var.database.cluster_identifier }
      comparison = "GreaterThanThreshold", threshold = var.database.connections, period = 300, periods = 2, missing = "notBreaching"
    }
    database-gone = {
      summary    = "The database answers nobody: RDS has measured nothing of it for five minutes."
      severity   = "page", runbook = "dependency-down"
      namespace  = "AWS/RDS", metric = "DatabaseConnections", statistic = "SampleCount"
      dimensions = { DBClusterIdentifier = var.database.cluster_identifier }
      comparison = "LessThanThreshold", threshold = 1, period = 60, periods = 5, missing = "breaching"
    }
  }

  throttles = { for name, function in var.resources.functions : "lambda-throttles-${name}" => {
    summary    = "The Lambda ${function} is held back: the account's concurrency is used up."
    severity   = "ticket", runbook = "lambda-errors"
    namespace  = "AWS/Lambda", metric = "Throttles", statistic = "Sum"
    dimensions = { FunctionName = function }
    comparison = "GreaterThanThreshold", threshold = 0, period = 300, periods = 2, missing = "notBreaching"
  } }

  all = merge(local.native, local.throttles, local.defined)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.all

  alarm_name          = "${var.context.name}-${each.key}"
  alarm_description   = "[${each.value.severity}] ${each.value.summary}\n\nWhat to do: ${var.runbook_base_url}/${each.value.runbook}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  datapoints_to_alarm = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

# The services' log lines as metrics, so that alarms work where nothing scrapes Prometheus.
resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = var.definitions.log_metrics

  name           = "${var.context.name}-${each.key}"
  log_group_name = var.log_groups[each.value.of]
  pattern        = each.value.pattern

  metric_transformation {
    namespace = "CloudApp"
    name      = each.key
    value     = each.value.value
    unit      = each.value.unit
  }
}
