locals {
  queues = { login = module.login, mail = module.mail, instance_events = module.instance_events }
}

output "queue_urls" {
  description = "The queues' URLs: login, mail, instance_events."
  value       = { for name, queue in local.queues : name => queue.url }
}

output "queue_arns" {
  description = "The queues' ARNs."
  value       = { for name, queue in local.queues : name => queue.arn }
}

output "queue_names" {
  description = "The queues' names."
  value       = { for name, queue in local.queues : name => queue.name }
}

output "dead_letter_names" {
  description = "The dead-letter queues' names."
  value       = { for name, queue in local.queues : name => queue.dead_letter_name }
}

output "topic_arns" {
  description = "The topics' ARNs, once their policies are in force: admin, events."
  value       = local.topic_arns
  depends_on  = [aws_sns_topic_policy.this]
}
