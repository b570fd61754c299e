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
    condition     = length(aws_budgets_budget.this.notification) == 4 && aws_budgets_budget.this.limit_amount == "100"
    error_message = "the admins hear of it four times"
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
    condition     = strcontains(aws_cloudwatch_metric_alarm.this["message-queue-age-login"].alarm_description, "https://runbooks.example.com/message-queue-age.md")
    error_message = "every alarm names its runbook"
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.topic_arn]) && alarm.ok_actions == toset([var.topic_arn])])
    error_message = "every alarm reaches the admins, and so does its end"
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
