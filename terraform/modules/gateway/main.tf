# The HTTP API in front of the Lambdas. Every route wants a token of the user pool; each Lambda verifies it once more.

resource "aws_apigatewayv2_api" "this" {
  name                         = var.context.name
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = false
}

resource "aws_apigatewayv2_authorizer" "cognito" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "cognito"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.issuer
    audience = [var.client_id]
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = var.routes

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = each.value.function_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = each.value.timeout_seconds * 1000
}

resource "aws_apigatewayv2_route" "this" {
  for_each = var.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type = "JWT"
  authorizer_id      = aws_apigatewayv2_authorizer.cognito.id
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/apigateway/${var.context.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.logs_key_arn
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.throttle.per_second
    throttling_burst_limit   = var.throttle.burst
    detailed_metrics_enabled = true
  }

  # Names of things, never tokens or bodies.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this.arn
    format = jsonencode({
      request_id        = "$context.requestId"
      at                = "$context.requestTime"
      route             = "$context.routeKey"
      status            = "$context.status"
      latency_ms        = "$context.responseLatency"
      integration_ms    = "$context.integrationLatency"
      integration_error = "$context.integrationErrorMessage"
      authorizer_error  = "$context.authorizer.error"
      subject           = "$context.authorizer.claims.sub"
      source_ip         = "$context.identity.sourceIp"
      user_agent        = "$context.identity.userAgent"
      trace_id          = "$context.xrayTraceId"
    })
  }
}

resource "aws_lambda_permission" "this" {
  for_each = var.routes

  statement_id   = "api-${substr(sha256(each.key), 0, 12)}"
  action         = "lambda:InvokeFunction"
  function_name  = each.value.function_arn
  principal      = "apigateway.amazonaws.com"
  source_account = var.context.account_id
  # The stage's "$default", then the route's method and path with * for what is variable.
  source_arn = "${aws_apigatewayv2_api.this.execution_arn}/*/${join("", [
    split(" ", each.key)[0], replace(split(" ", each.key)[1], "/\\{[^}]+\\}/", "*")
  ])}"
}
