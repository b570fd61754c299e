output "secret_arn" {
  description = "The secret with the keys, once it has one."
  value       = aws_secretsmanager_secret_version.this.arn
}
