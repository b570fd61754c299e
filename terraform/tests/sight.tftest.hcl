# Modules for operators' eyes, with a mocked provider.

mock_provider "aws" {
  override_during = plan # nothing has to be applied to be known

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:x" }
  }
  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

variables {
  context = { name = "cloudapp", partition = "aws", account_id = "123456789012", region = "eu-west-1" }
  key_arn = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
}

run "audit" {
  command = plan
  module {
    source = "./modules/audit"
  }

  variables {
    force_destroy = false
  }

  assert {
    condition     = aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.enable_log_file_validation && aws_cloudtrail.this.kms_key_id == var.key_arn
    error_message = "all regions, signed, encrypted"
  }
}

run "budget" {
  command = plan
  module {
    source = "./modules/budget"
  }

  variables {
    monthly_usd = 100
    topic_arn   = "arn:aws:sns:eu-west-1:123456789012:cloudapp-admin"
  }

  assert {
    condition     = [aws_budgets_budget.this.limit_amount, aws_budgets_budget.this.limit_unit, aws_budgets_budget.this.time_unit] == ["100", "USD", "MONTHLY"]
    error_message = "the limit is of dollars in a month"
  }

  assert {
    condition = toset([for notice in aws_budgets_budget.this.notification : "${notice.notification_type} ${notice.threshold}"]) == toset([
      "ACTUAL 50", "ACTUAL 80", "ACTUAL 100", "FORECASTED 100"
    ])
    error_message = "it is said while the money is spent, and when AWS foresees that it will be"
  }

  assert {
    condition = alltrue([for notice in aws_budgets_budget.this.notification :
    notice.threshold_type == "PERCENTAGE" && notice.comparison_operator == "GREATER_THAN"])
    error_message = "shares of the limit are counted, not dollars"
  }

  assert {
    condition     = alltrue([for notice in aws_budgets_budget.this.notification : notice.subscriber_sns_topic_arns == toset([var.topic_arn])])
    error_message = "the admins hear of all of it"
  }
}

run "instance_events" {
  command = plan
  module {
    source = "./modules/instance-events"
  }

  variables {
    queue_arn = "arn:aws:sqs:eu-west-1:123456789012:cloudapp-instance-events"
  }

  assert {
    condition = toset([for rule in aws_cloudwatch_event_rule.this : jsondecode(rule.event_pattern)["detail-type"][0]]) == toset([
      "EC2 Instance State-change Notification", "EC2 Spot Instance Interruption Warning"
    ])
    error_message = "changes of state and spot warnings are heard"
  }

  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.this : try(jsondecode(rule.event_pattern).source, []) == ["aws.ec2"]])
    error_message = "nobody but EC2 is believed: this source is refused to whoever puts events of their own"
  }

  assert {
    condition     = output.rule_names == { state-change = "cloudapp-state-change", spot-interruption = "cloudapp-spot-interruption" }
    error_message = "the rules are named as the queue's policy lets them send"
  }

  assert {
    condition     = { for key, target in aws_cloudwatch_event_target.this : key => target.rule } == output.rule_names
    error_message = "each rule has a target of its own"
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.this : target.arn == var.queue_arn])
    error_message = "they go to the queue of instance events"
  }
}

run "alarms" {
  command = plan
  module {
    source = "./modules/alarms"
  }

  variables {
    topic_arn        = "arn:aws:sns:eu-west-1:123456789012:cloudapp-admin"
    runbook_base_url = "https://runbooks.example.com"
    web              = { balancer = "app/cloudapp-web/1", target_group = "targetgroup/cloudapp-web/1" }
    api_id           = "abc123"
    database         = { cluster_identifier = "cloudapp", connections = 100 }
    log_groups       = { provision-instance = "/cloudapp/eks" }
    resources = {
      queues             = { login = "cloudapp-login", mail = "cloudapp-mail" }
      dead_letter_queues = { login = "cloudapp-login-dlq" }
      functions          = { auth = "cloudapp-auth" }
      auth_function      = { auth = "auth" }
      load_balancers     = { web = "app/cloudapp-web/1" }
      certificates       = {}
      workgroups         = { statistics = "cloudapp" }
    }
    definitions = {
      log_metrics = { launch_seconds = { of = "provision-instance", pattern = "{ $.a = 1 }", value = "$.seconds", unit = "Seconds" } }
      alarms = {
        time-to-login = {
          severity = "page"
          summary  = "Launches take too long."
          cloudwatch = {
            namespace  = "CloudApp", metric = "launch_seconds", statistic = "p95", period = 300, periods = 3, threshold = 180
            comparison = "GreaterThanThreshold", missing = "notBreaching"
          }
        }
        message-queue-age = {
          severity = "page"
          summary  = "Messages wait."
          cloudwatch = {
            namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", dimension = "QueueName", of = "queues", statistic = "Maximum"
            period    = 60, periods = 3, threshold = 120, comparison = "GreaterThanThreshold", missing = "notBreaching"
          }
        }
        only-in-prometheus = { severity = "ticket", summary = "x", cloudwatch = null }
      }
    }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["time-to-login"].extended_statistic == "p95" && aws_cloudwatch_metric_alarm.this["time-to-login"].statistic == null
    error_message = "percentiles are extended statistics"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["message-queue-age-mail"].dimensions == tomap({ QueueName = "cloudapp-mail" })
    error_message = "one alarm for each queue"
  }

  assert {
    condition = [for name in ["web-unreachable", "api-errors", "database-gone"] : join(" ", [for key, value in aws_cloudwatch_metric_alarm.this[name].dimensions : "${key}=${value}"])] == [
      "LoadBalancer=app/cloudapp-web/1 TargetGroup=targetgroup/cloudapp-web/1", "ApiId=abc123", "DBClusterIdentifier=cloudapp"
    ]
    error_message = "AWS's own metrics are asked for by the names that AWS publishes them under"
  }

  assert {
    condition = toset([for name, alarm in aws_cloudwatch_metric_alarm.this : name if alarm.treat_missing_data == "breaching"]) == toset([
      "web-unreachable", "database-gone"
    ])
    error_message = "silence is bad news of web and of the database, which are measured as long as they are there, and of nothing else"
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.this["message-queue-age-login"].alarm_description, "https://runbooks.example.com/message-queue-age.md")
    error_message = "every alarm names its runbook"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.topic_arn]) && alarm.ok_actions == toset([var.topic_arn])])
    error_message = "every alarm reaches the admins, and so does its end"
  }

  assert {
    condition = [for filter in aws_cloudwatch_log_metric_filter.this["launch_seconds"].metric_transformation : "${filter.namespace} ${filter.name}"] == [
      "${aws_cloudwatch_metric_alarm.this["time-to-login"].namespace} ${aws_cloudwatch_metric_alarm.this["time-to-login"].metric_name}"
    ]
    error_message = "log lines become the very metric that the alarm watches"
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.this["launch_seconds"].log_group_name == "/cloudapp/eks" && !can(aws_cloudwatch_metric_alarm.this["only-in-prometheus"])
    error_message = "log lines become metrics; what CloudWatch cannot know is left to Prometheus"
  }
}

run "alarms_refuse_half_a_dimension" {
  command = plan
  module {
    source = "./modules/alarms"
  }
  variables {
    topic_arn        = "arn:aws:sns:eu-west-1:123456789012:cloudapp-admin"
    runbook_base_url = "https://runbooks.example.com/"
    web              = { balancer = "a", target_group = "b" }
    api_id           = "abc123"
    database         = { cluster_identifier = "cloudapp", connections = 100 }
    log_groups       = {}
    resources        = { queues = {}, dead_letter_queues = {}, functions = {}, auth_function = {}, load_balancers = {}, certificates = {}, workgroups = {} }
    definitions = {
      log_metrics = {}
      alarms = { bad = { severity = "loud", summary = "x", cloudwatch = {
        namespace  = "AWS/SQS", metric = "m", dimension = "QueueName", statistic = "Median", period = 60, periods = 1, threshold = 1
        comparison = "GreaterThanThreshold", missing = "notBreaching"
      } } }
    }
  }
  expect_failures = [var.definitions, var.runbook_base_url]
}
