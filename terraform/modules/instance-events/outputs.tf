output "rule_names" {
  description = "The rules' names."
  value       = { for key, rule in aws_cloudwatch_event_rule.this : key => rule.name }
}
