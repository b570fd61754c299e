locals {
  # China has its own suffix; the provider's endpoint attribute names it rightly everywhere.
  issuer = "https://${aws_cognito_user_pool.this.endpoint}"
}

output "user_pool_id" {
  description = "The user pool."
  value       = aws_cognito_user_pool.this.id
}

output "user_pool_arn" {
  description = "The user pool's ARN."
  value       = aws_cognito_user_pool.this.arn
}

output "client_id" {
  description = "Web's app client."
  value       = aws_cognito_user_pool_client.web.id
}

output "issuer" {
  description = "Who issues tokens."
  value       = local.issuer
}

output "jwks_url" {
  description = "Where the issuer's public keys are."
  value       = "${local.issuer}/.well-known/jwks.json"
}

output "domain" {
  description = "The hosted pages' domain prefix."
  value       = aws_cognito_user_pool_domain.this.domain
}
