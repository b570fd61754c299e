output "arn" {
  description = "The function's ARN."
  value       = local.arn
  depends_on  = [aws_lambda_function.this]
}

output "name" {
  description = "The function's name."
  value       = local.function
}

output "role_name" {
  description = "Its role."
  value       = aws_iam_role.this.name
}

output "security_group_id" {
  description = "Its security group; null outside a VPC."
  value       = one(aws_security_group.this[*].id)
}
