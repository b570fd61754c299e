# What an operator looks at first: every alarm, then every metric that an alarm is set on, beside its limit.

locals {
  # Alarms about the same metric share a graph.
  graphed = { for name, alarm in local.all : "${alarm.namespace} ${alarm.metric}" => merge(alarm, { name = name })... }
  graphs  = [for title in sort(keys(local.graphed)) : { title = title, alarms = local.graphed[title] }]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.context.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 4
        properties = { title = "Alarms", alarms = [for alarm in aws_cloudwatch_metric_alarm.this : alarm.arn] }
      }],
      [for index, graph in local.graphs : {
        type = "metric", x = 8 * (index % 3), y = 4 + 6 * floor(index / 3), width = 8, height = 6
        properties = {
          title  = graph.title
          region = var.context.region
          view   = "timeSeries"
          period = 300
          metrics = [for alarm in graph.alarms : concat(
            [alarm.namespace, alarm.metric],
            flatten([for key in sort(keys(alarm.dimensions)) : [key, alarm.dimensions[key]]]),
            [{ label = alarm.name, stat = alarm.statistic }],
          )]
          annotations = { horizontal = [for alarm in graph.alarms : { label = alarm.name, value = alarm.threshold }] }
        }
      }],
    )
  })
}
