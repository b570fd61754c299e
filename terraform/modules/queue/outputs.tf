output "url" {
  description = "The queue's URL."
  value       = aws_sqs_queue.this.url
}

output "arn" {
  description = "The queue's ARN."
  value       = local.arn
}

output "name" {
  description = "The queue's name."
  value       = var.queue
}

output "dead_letter_name" {
  description = "The dead-letter queue's name."
  value       = "${var.queue}-dlq"
}
