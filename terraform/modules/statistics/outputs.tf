locals {
  glue_arn = "arn:${var.context.partition}:glue:${var.context.region}:${var.context.account_id}"
}

output "workgroup" {
  description = "The Athena workgroup."
  value       = aws_athena_workgroup.this.name
}

output "workgroup_arn" {
  description = "The Athena workgroup's ARN."
  value       = "arn:${var.context.partition}:athena:${var.context.region}:${var.context.account_id}:workgroup/${var.context.name}"
}

output "database" {
  description = "The Glue database."
  value       = aws_glue_catalog_database.this.name
}

output "table" {
  description = "The table of events."
  value       = aws_glue_catalog_table.this.name
}

output "catalog_arns" {
  description = "What Glue's reads are granted on: catalog, database, table."
  value       = ["${local.glue_arn}:catalog", "${local.glue_arn}:database/${var.database}", "${local.glue_arn}:table/${var.database}/${var.table}"]
}
