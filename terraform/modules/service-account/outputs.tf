output "role_arn" {
  description = "The role's ARN."
  value       = "arn:${var.context.partition}:iam::${var.context.account_id}:role/${var.context.name}-${var.service_account}"
  depends_on  = [aws_iam_role.this]
}

output "role_name" {
  description = "The role's name."
  value       = aws_iam_role.this.name
}
