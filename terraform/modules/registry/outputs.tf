output "repository_urls" {
  description = "Where each image is pushed and pulled."
  value       = { for image, repository in aws_ecr_repository.this : image => repository.repository_url }
}

output "repository_arns" {
  description = "The repositories' ARNs."
  value       = { for image in var.images : image => "arn:${var.context.partition}:ecr:${var.context.region}:${var.context.account_id}:repository/${var.context.name}/${image}" }
}

output "prefix" {
  description = "What all images' names begin with: the registry and the prefix."
  value       = "${var.context.account_id}.dkr.ecr.${var.context.region}.amazonaws.com/${var.context.name}"
}
