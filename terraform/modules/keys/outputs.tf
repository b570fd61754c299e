output "arns" {
  description = "The encryption keys' ARNs: data (S3, SQS, SNS, secrets, images), database, cluster (Kubernetes secrets), logs."
  value       = { for name, key in aws_kms_key.this : name => key.arn }
}

output "ssh_ca_arn" {
  description = "The SSH certificate authority's key."
  value       = aws_kms_key.ssh_ca.arn
}
