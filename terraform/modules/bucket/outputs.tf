output "name" {
  description = "The bucket's name, once its policy is in force."
  value       = aws_s3_bucket.this.id
  depends_on  = [aws_s3_bucket_policy.this]
}

output "arn" {
  description = "The bucket's ARN."
  value       = "arn:${var.context.partition}:s3:::${var.bucket}"
}

output "regional_domain_name" {
  description = "Where CloudFront finds it."
  value       = aws_s3_bucket.this.bucket_regional_domain_name
}
