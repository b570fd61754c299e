output "url" {
  description = "The API's base URL, the stage included."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "api_id" {
  description = "The API's id in metrics."
  value       = aws_apigatewayv2_api.this.id
}
