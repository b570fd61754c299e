# One web ACL. Bodies are only counted by the managed rules: admins post user data (shell scripts of up to 16 KiB) and
# machines post the tail of their logs; both look like attacks, and every part bounds and checks bodies itself.

locals {
  body_rules = ["SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"]

  managed = {
    AWSManagedRulesAmazonIpReputationList = { priority = 10, counted = [] }
    AWSManagedRulesKnownBadInputsRuleSet  = { priority = 20, counted = [] }
    AWSManagedRulesCommonRuleSet          = { priority = 30, counted = local.body_rules }
  }
  metric = replace("${var.context.name}-${var.name}", "/[^A-Za-z0-9]/", "-")
}

# Our own web tier's addresses: it signs everybody in, so the limit per address is not for it.
resource "aws_wafv2_ip_set" "unlimited" {
  count = length(var.unlimited_addresses) > 0 ? 1 : 0

  name               = "${local.metric}-unlimited"
  description        = "Addresses that the limit per address is not for"
  scope              = var.scope
  ip_address_version = "IPV4"
  addresses          = [for address in var.unlimited_addresses : "${address}/32"]
}

resource "aws_wafv2_ip_set" "machines" {
  count = length(var.machine_cidrs) > 0 ? 1 : 0

  name               = "${local.metric}-machines"
  description        = "Addresses of users' machines"
  scope              = var.scope
  ip_address_version = "IPV4"
  addresses          = var.machine_cidrs
}

resource "aws_wafv2_web_acl" "this" {
  name        = local.metric
  description = "CloudApp: ${var.name}"
  scope       = var.scope

  default_action {
    allow {}
  }

  # A machine reports its boot and whether it is idle. Its user, who is root on it, gets no further.
  dynamic "rule" {
    for_each = length(var.machine_cidrs) > 0 ? [aws_wafv2_ip_set.machines[0].arn] : []
    content {
      name     = "machines-report-only"
      priority = 1

      action {
        block {}
      }

      statement {
        and_statement {
          statement {
            ip_set_reference_statement {
              arn = rule.value
            }
          }
          statement {
            not_statement {
              statement {
                regex_match_statement {
                  regex_string = "^/api/(boot|idle)-reports$"
                  field_to_match {
                    uri_path {}
                  }
                  text_transformation {
                    priority = 0
                    type     = "NONE"
                  }
                }
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${local.metric}-machines"
        sampled_requests_enabled   = true
      }
    }
  }

  rule {
    name     = "limit-per-address"
    priority = 5

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        limit                 = var.requests_per_five_minutes
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300

        dynamic "scope_down_statement" {
          for_each = length(var.unlimited_addresses) > 0 ? [aws_wafv2_ip_set.unlimited[0].arn] : []
          content {
            not_statement {
              statement {
                ip_set_reference_statement {
                  arn = scope_down_statement.value
                }
              }
            }
          }
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${local.metric}-limit"
      sampled_requests_enabled   = true
    }
  }

  dynamic "rule" {
    for_each = local.managed
    content {
      name     = rule.key
      priority = rule.value.priority

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.key

          dynamic "rule_action_override" {
            for_each = rule.value.counted
            content {
              name = rule_action_override.value
              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${local.metric}-${rule.key}"
        sampled_requests_enabled   = true
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = local.metric
    sampled_requests_enabled   = true
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  for_each = var.protects

  resource_arn = each.value
  web_acl_arn  = aws_wafv2_web_acl.this.arn
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "aws-waf-logs-${local.metric}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_wafv2_web_acl_logging_configuration" "this" {
  resource_arn            = aws_wafv2_web_acl.this.arn
  log_destination_configs = [aws_cloudwatch_log_group.this.arn]

  # Nothing in a log may sign anybody in.
  dynamic "redacted_fields" {
    for_each = ["authorization", "cookie"]
    content {
      single_header {
        name = redacted_fields.value
      }
    }
  }

  # What was let through is in the load balancer's and the parts' own logs.
  logging_filter {
    default_behavior = "DROP"

    filter {
      behavior    = "KEEP"
      requirement = "MEETS_ANY"

      condition {
        action_condition {
          action = "BLOCK"
        }
      }

      condition {
        action_condition {
          action = "COUNT"
        }
      }
    }
  }
}
