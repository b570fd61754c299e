# What AWS would say, where the provider wants it well formed or one resource is made of another's.

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}
mock_data "aws_partition" {
  defaults = { partition = "aws" }
}
mock_data "aws_region" {
  defaults = { name = "eu-west-1" }
}
mock_data "aws_ec2_managed_prefix_list" {
  defaults = { id = "pl-cloudfront" }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/x"
    domain_validation_options = [
      { domain_name = "cloudapp.example.com", resource_record_name = "_a", resource_record_type = "CNAME", resource_record_value = "x" },
      { domain_name = "origin.cloudapp.example.com", resource_record_name = "_b", resource_record_type = "CNAME", resource_record_value = "x" },
      { domain_name = "services.cloudapp.example.com", resource_record_name = "_c", resource_record_type = "CNAME", resource_record_value = "x" },
    ]
  }
}
mock_resource "aws_apigatewayv2_api" {
  defaults = {
    api_endpoint  = "https://abc123.execute-api.eu-west-1.amazonaws.com"
    execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123"
  }
}
mock_resource "aws_cloudfront_distribution" {
  defaults = { arn = "arn:aws:cloudfront::123456789012:distribution/E1" }
}
mock_resource "aws_cloudtrail" {
  defaults = { arn = "arn:aws:cloudtrail:eu-west-1:123456789012:trail/x" }
}
mock_resource "aws_cloudwatch_event_rule" {
  defaults = { arn = "arn:aws:events:eu-west-1:123456789012:rule/x" }
}
mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:x" }
}
mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = { arn = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:x" }
}
mock_resource "aws_cognito_user_pool" {
  defaults = {
    arn      = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"
    endpoint = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
    id       = "eu-west-1_abc"
  }
}
mock_resource "aws_ecs_cluster" {
  defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:cluster/x", id = "arn:aws:ecs:eu-west-1:123456789012:cluster/x" }
}
mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/x:1" }
}
mock_resource "aws_eks_cluster" {
  defaults = { identity = [{ oidc = [{ issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC" }] }] }
}
mock_resource "aws_iam_openid_connect_provider" {
  defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC" }
}
mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/x" }
}
mock_resource "aws_kms_key" {
  defaults = { arn = "arn:aws:kms:eu-west-1:123456789012:key/x" }
}
mock_resource "aws_lambda_function" {
  defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:x" }
}
mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/1"
    arn_suffix = "app/web/1"
  }
}
mock_resource "aws_lb_listener" {
  defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/web/1/2" }
}
mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1"
    arn_suffix = "targetgroup/web/1"
  }
}
mock_resource "aws_rds_cluster" {
  defaults = {
    cluster_resource_id = "cluster-ABC"
    endpoint            = "db.example.internal"
    master_user_secret  = [{ secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!x", kms_key_id = "", secret_status = "active" }]
  }
}
mock_resource "aws_secretsmanager_secret" {
  defaults = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:session-key" }
}
mock_resource "aws_secretsmanager_secret_version" {
  defaults = { arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:session-key" }
}
mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-west-1:123456789012:x" }
}
mock_resource "aws_sqs_queue" {
  defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:x" }
}
mock_resource "aws_wafv2_ip_set" {
  defaults = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/ipset/x/1" }
}
mock_resource "aws_wafv2_web_acl" {
  defaults = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/x/1" }
}

# Nothing but made-up values; a plan makes them up for the kinds only that are named here.
mock_resource "aws_cognito_user_pool_client" {
  defaults = {}
}
mock_resource "aws_ecr_repository" {
  defaults = {}
}
mock_resource "aws_eip" {
  defaults = {}
}
mock_resource "aws_s3_bucket" {
  defaults = {}
}
mock_resource "aws_security_group" {
  defaults = {}
}
mock_resource "aws_subnet" {
  defaults = {}
}
mock_resource "aws_vpc" {
  defaults = {}
}
