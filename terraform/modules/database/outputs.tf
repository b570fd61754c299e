output "host" {
  description = "Where the writer listens."
  value       = aws_rds_cluster.this.endpoint
}

output "port" {
  description = "The port."
  value       = 5432
}

output "name" {
  description = "The database's name."
  value       = var.database_name
}

output "cluster_identifier" {
  description = "The cluster's name in metrics."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "master_secret_arn" {
  description = "The secret with the master password, made and rotated by RDS."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}

output "user_arn_prefix" {
  description = "What rds-db:connect is granted on, with the role's name behind it."
  value       = "arn:${var.context.partition}:rds-db:${var.context.region}:${var.context.account_id}:dbuser:${aws_rds_cluster.this.cluster_resource_id}"
}
