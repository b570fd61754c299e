# Modules that decide who may do what, with a mocked provider.

mock_provider "aws" {
  override_during = plan # nothing has to be applied to be known

  mock_resource "aws_security_group" {
    defaults = { id = "sg-machines" }
  }
  mock_resource "aws_cognito_user_pool" {
    defaults = { id = "eu-west-1_abc", endpoint = "cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", arn = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:x" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:mock" }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:abc123", api_endpoint = "https://abc123.execute-api.eu-west-1.amazonaws.com" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

variables {
  context      = { name = "cloudapp", partition = "aws", account_id = "123456789012", region = "eu-west-1" }
  key_arn      = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  logs_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-2222-2222-222222222222"
  oidc = {
    provider_arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    issuer       = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
  }
}

run "service_account" {
  command = plan
  module {
    source = "./modules/service-account"
  }

  variables {
    namespace       = "cloudapp"
    service_account = "view-stats"
    statements      = [{ Sid = "A", Effect = "Allow", Action = "athena:GetWorkGroup", Resource = "arn:aws:athena:eu-west-1:123456789012:workgroup/cloudapp" }]
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["${var.oidc.issuer}:sub"] == "system:serviceaccount:cloudapp:view-stats"
    error_message = "one service account of one namespace"
  }

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["${var.oidc.issuer}:aud"] == "sts.amazonaws.com"
    error_message = "tokens are for STS only"
  }
}

run "service_account_refuses_what_is_no_name" {
  command = plan
  module {
    source = "./modules/service-account"
  }
  variables {
    namespace       = "*"
    service_account = "View_Stats"
    statements      = []
  }
  expect_failures = [var.namespace, var.service_account]
}

run "machines" {
  command = plan
  module {
    source = "./modules/machines"
  }

  variables {
    vpc_id            = "vpc-1"
    subnet_ids        = ["subnet-1"]
    ssh_cidrs         = ["203.0.113.0/24"]
    instance_types    = ["t3.*"]
    profile_role_arns = ["arn:aws:iam::123456789012:role/machine"]
  }

  assert {
    condition = jsonencode([for one in output.provision_statements : [one.Condition.StringEquals, one.Condition.NumericEquals] if one.Sid == "LaunchMarkedMachines"]) == jsonencode([[
      { "aws:RequestTag/cloudapp:managed" = "cloudapp", "ec2:MetadataHttpTokens" = "required" },
      { "ec2:MetadataHttpPutResponseHopLimit" = "1" },
    ]])
    error_message = "only marked machines, with IMDSv2 and one hop"
  }

  assert {
    condition     = jsonencode([for one in output.provision_statements : one.Condition.StringLike if one.Sid == "LaunchMarkedMachines"]) == jsonencode([{ "ec2:InstanceType" = ["t3.*"] }])
    error_message = "only machines of allowed types"
  }

  assert {
    condition     = [for one in output.provision_statements : one.Condition.Bool["ec2:Encrypted"] if one.Sid == "WithEncryptedMarkedVolumes"] == ["true"]
    error_message = "only encrypted disks"
  }

  assert {
    condition     = [for one in output.provision_statements : one.Resource if one.Sid == "InTheMachinesSubnets"] == [["arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-1"]]
    error_message = "only in the machines' subnets"
  }

  assert {
    condition     = jsonencode([for one in output.provision_statements : one.Resource if one.Sid == "GiveMachinesNamedRoles"]) == jsonencode([["arn:aws:iam::123456789012:role/machine"]])
    error_message = "only named roles are passed"
  }

  assert {
    condition     = jsonencode([for one in output.provision_statements : one.Condition if one.Sid == "FromTrustedImages"]) == jsonencode([{ StringEquals = { "ec2:Owner" = ["amazon", "123456789012"] } }])
    error_message = "only images of named owners and our own"
  }

  assert {
    condition     = jsonencode([for one in output.provision_statements : one.Resource if one.Sid == "InTheMachinesGroups"]) == jsonencode([["arn:aws:ec2:eu-west-1:123456789012:security-group/sg-machines"]])
    error_message = "only in the machines' group"
  }

  assert {
    condition = jsonencode([for one in output.provision_statements : one.Condition if one.Action == "ec2:CreateTags"]) == jsonencode([
      { StringEquals = { "ec2:CreateAction" = "RunInstances" } },
      {
        StringEquals                = { "aws:ResourceTag/cloudapp:managed" = "cloudapp" }
        "ForAllValues:StringEquals" = { "aws:TagKeys" = ["cloudapp:owner"] }
        Null                        = { "aws:TagKeys" = "false" }
      },
    ])
    error_message = "marked at launch only; later nothing but the owner, on our own machines"
  }

  assert {
    condition     = jsonencode([for one in output.provision_statements : one.Action if one.Resource == "*"]) == jsonencode([["ec2:DescribeInstances", "ec2:DescribeImages", "ec2:DescribeSubnets"]])
    error_message = "on everything it only looks"
  }

  assert {
    condition     = alltrue([for one in concat(output.stop_statements, [for s in output.provision_statements : s if s.Sid == "PowerOfMarkedMachines"]) : one.Condition.StringEquals["aws:ResourceTag/cloudapp:managed"] == "cloudapp"])
    error_message = "only CloudApp's machines are stopped"
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.ssh : [rule.cidr_ipv4, rule.from_port, rule.to_port]] == [["203.0.113.0/24", 22, 22]]
    error_message = "SSH only, from named addresses"
  }
}

run "machines_refuse_wildcards" {
  command = plan
  module {
    source = "./modules/machines"
  }
  variables {
    vpc_id            = "vpc-1"
    subnet_ids        = []
    ssh_cidrs         = ["everywhere"]
    instance_types    = ["*"]
    image_owners      = ["*"]
    profile_role_arns = ["arn:aws:iam::123456789012:role/*"]
  }
  expect_failures = [var.subnet_ids, var.ssh_cidrs, var.instance_types, var.image_owners, var.profile_role_arns]
}

run "function" {
  command = plan
  module {
    source = "./modules/function"
  }

  variables {
    name            = "stop-ec2"
    description     = "Stops"
    package         = "./tests/function.zip"
    timeout_seconds = 10
    environment     = { A = "b" }
    statements      = []
    network         = { vpc_id = "vpc-1", cidr = "10.40.0.0/16", subnet_ids = ["subnet-1"] }
    event_source    = { queue_arn = "arn:aws:sqs:eu-west-1:123456789012:cloudapp-login" }
    queue_key_arn   = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  }

  assert {
    condition     = aws_lambda_function.this.runtime == "provided.al2023" && one(aws_lambda_function.this.architectures) == "x86_64" && one(aws_lambda_function.this.tracing_config).mode == "Active"
    error_message = "the runtime that packages are made for, traced"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/cloudapp-stop-ec2" && aws_cloudwatch_log_group.this.retention_in_days == 90 && aws_cloudwatch_log_group.this.kms_key_id == var.logs_key_arn
    error_message = "a log group of its own, kept and encrypted"
  }

  assert {
    condition = length([for one in jsondecode(aws_iam_role_policy.runtime.policy).Statement : one
    if one.Effect == "Deny" && try(one.Condition.ArnEquals["lambda:SourceFunctionArn"], "") == "arn:aws:lambda:eu-west-1:123456789012:function:cloudapp-stop-ec2"]) == 1
    error_message = "interfaces are for Lambda, not for the code"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this[0].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "one failure does not repeat the batch"
  }
}

run "function_refuses_a_missing_package_and_a_long_timeout" {
  command = plan
  module {
    source = "./modules/function"
  }
  variables {
    name            = "auth"
    description     = "x"
    package         = "./tests/nowhere.zip"
    timeout_seconds = 60
    environment     = {}
    statements      = []
  }
  expect_failures = [var.package, var.timeout_seconds]
}

run "identity" {
  command = plan
  module {
    source = "./modules/identity"
  }

  variables {
    web_url              = "https://cloudapp.example.com"
    trigger_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:cloudapp-auth"
    deletion_protection  = true
  }

  assert {
    condition     = one(aws_cognito_user_pool.this.admin_create_user_config).allow_admin_create_user_only && one(aws_cognito_user_pool.this.password_policy).minimum_length == 12
    error_message = "nobody signs up by themselves; passwords are long"
  }

  assert {
    condition     = one(one(aws_cognito_user_pool.this.lambda_config).pre_token_generation_config).lambda_version == "V2_0"
    error_message = "the admins' group can be withheld from access tokens"
  }

  assert {
    condition     = aws_cognito_user_pool_client.web.access_token_validity == 5 && one(aws_cognito_user_pool_client.web.token_validity_units).access_token == "minutes"
    error_message = "access tokens live five minutes"
  }

  assert {
    condition     = toset(keys(aws_cognito_user_group.this)) == toset(["admin", "user"]) && aws_cognito_user_pool.this.deletion_protection == "ACTIVE"
    error_message = "both groups; protected"
  }

  assert {
    condition     = output.jwks_url == "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc/.well-known/jwks.json"
    error_message = "keys are found at the issuer"
  }
}

run "identity_refuses_plain_http" {
  command = plan
  module {
    source = "./modules/identity"
  }
  variables {
    web_url              = "http://cloudapp.example.com"
    trigger_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:cloudapp-auth"
    deletion_protection  = true
  }
  expect_failures = [var.web_url]
}

run "gateway" {
  command = plan
  module {
    source = "./modules/gateway"
  }

  variables {
    issuer    = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
    client_id = "client"
    routes    = { "POST /instances/{id}/force-stop" = { function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:cloudapp-stop-ec2", timeout_seconds = 10 } }
  }

  assert {
    condition     = alltrue([for one in aws_apigatewayv2_route.this : one.authorization_type == "JWT"]) && one(aws_apigatewayv2_authorizer.cognito.jwt_configuration).audience == toset(["client"])
    error_message = "every route wants a token for our client"
  }

  assert {
    condition     = [for one in aws_lambda_permission.this : one.source_arn] == ["arn:aws:execute-api:eu-west-1:123456789012:abc123/*/POST/instances/*/force-stop"]
    error_message = "the API calls the function for one route only"
  }

  assert {
    condition     = one(aws_apigatewayv2_stage.this.default_route_settings).throttling_rate_limit == 100 && length(aws_apigatewayv2_stage.this.access_log_settings) == 1
    error_message = "throttled, with an access log"
  }
}

run "gateway_refuses_wildcard_routes" {
  command = plan
  module {
    source = "./modules/gateway"
  }
  variables {
    issuer    = "https://issuer.example"
    client_id = "client"
    routes    = { "ANY /*" = { function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:x", timeout_seconds = 10 } }
  }
  expect_failures = [var.routes]
}

run "load_balancer_controller" {
  command = plan
  module {
    source = "./modules/load-balancer-controller"
  }

  variables {
    cluster_name       = "cloudapp"
    namespace          = "cloudapp"
    load_balancer_name = "cloudapp-services"
    web_acl_arn        = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/cloudapp-services/1"
  }

  assert {
    condition     = output.role_arn == "arn:aws:iam::123456789012:role/cloudapp-aws-load-balancer-controller"
    error_message = "the role is named as its service account"
  }
}
