output "assets_bucket" {
  description = "The bucket with the static files, under assets/."
  value       = module.assets.name
}

output "distribution_id" {
  description = "The distribution."
  value       = aws_cloudfront_distribution.this.id
}
