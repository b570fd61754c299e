# Modules of the network and its edge, with a mocked provider.

mock_provider "aws" {
  override_during = plan # nothing has to be applied to be known

  mock_resource "aws_lb" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/cloudapp-web/1", arn_suffix = "app/cloudapp-web/1" }
  }
  mock_resource "aws_lb_listener" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/cloudapp-web/1/2" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { id = "arn:aws:ecs:eu-west-1:123456789012:cluster/cloudapp" }
  }
  mock_resource "aws_lb_target_group" {
    defaults = { arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/cloudapp-web/1", arn_suffix = "targetgroup/cloudapp-web/1" }
  }
  mock_resource "aws_cloudfront_distribution" {
    defaults = { arn = "arn:aws:cloudfront::123456789012:distribution/E1" }
  }
  mock_resource "aws_wafv2_ip_set" {
    defaults = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/ipset/x/1" }
  }
  mock_resource "aws_wafv2_web_acl" {
    defaults = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/x/1" }
  }
  mock_resource "aws_acm_certificate" {
    defaults = {
      domain_validation_options = [
        { domain_name = "cloudapp.example.com", resource_record_name = "_a.cloudapp.example.com", resource_record_type = "CNAME", resource_record_value = "a.acm-validations.aws" },
        { domain_name = "origin.cloudapp.example.com", resource_record_name = "_b.origin.cloudapp.example.com", resource_record_type = "CNAME", resource_record_value = "b.acm-validations.aws" },
      ]
    }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:x" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_eks_cluster" {
    defaults = { identity = [{ oidc = [{ issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC" }] }] }
  }
  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABC" }
  }
  mock_data "aws_lb" {
    defaults = { dns_name = "internal-x.elb.amazonaws.com", zone_id = "Z1", internal = true, arn_suffix = "app/cloudapp-services/1" }
  }
  mock_data "aws_ec2_managed_prefix_list" {
    defaults = { id = "pl-cloudfront" }
  }
}

mock_provider "aws" {
  alias = "us_east_1"
}

variables {
  context      = { name = "cloudapp", partition = "aws", account_id = "123456789012", region = "eu-west-1" }
  key_arn      = "arn:aws:kms:eu-west-1:123456789012:key/11111111-1111-1111-1111-111111111111"
  logs_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/22222222-2222-2222-2222-222222222222"
}

run "network_with_nat_in_each_zone" {
  command = plan
  module {
    source = "./modules/network"
  }

  variables {
    zones        = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    cluster_name = "cloudapp"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_subnet.apps) == 3 && length(aws_subnet.database) == 3 && length(aws_subnet.machines) == 3
    error_message = "every tier in every zone, each with its way out"
  }

  assert {
    condition     = length(distinct(concat([for s in aws_subnet.public : s.cidr_block], [for s in aws_subnet.apps : s.cidr_block], [for s in aws_subnet.database : s.cidr_block], [for s in aws_subnet.machines : s.cidr_block]))) == 12
    error_message = "subnets do not share addresses"
  }

  assert {
    condition     = alltrue([for s in concat(values(aws_subnet.public), values(aws_subnet.apps), values(aws_subnet.database)) : s.map_public_ip_on_launch != true])
    error_message = "only machines get public addresses"
  }

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_flow_log.this.traffic_type == "ALL"
    error_message = "S3 past the NAT gateways; all flows logged"
  }
}

run "network_with_a_single_nat" {
  command = plan
  module {
    source = "./modules/network"
  }

  variables {
    zones          = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    cluster_name   = "cloudapp"
    nat            = "single"
    machine_access = "private"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.private) == 3
    error_message = "one NAT gateway serves all zones"
  }

  assert {
    condition     = alltrue([for s in aws_subnet.machines : s.map_public_ip_on_launch == false])
    error_message = "private machines get no public address"
  }
}

run "network_refuses_two_zones_and_no_nat" {
  command = plan
  module {
    source = "./modules/network"
  }
  variables {
    zones          = ["eu-west-1a", "eu-west-1b"]
    cluster_name   = "cloudapp"
    nat            = "none"
    cidr           = "10.0.0.0/24"
    machine_access = "none"
  }
  expect_failures = [var.zones, var.nat, var.cidr, var.machine_access]
}

run "cluster" {
  command = plan
  module {
    source = "./modules/cluster"
  }

  variables {
    subnet_ids           = ["subnet-1", "subnet-2"]
    admin_principal_arns = { operators = "arn:aws:iam::123456789012:role/operators" }
    repository_arns      = ["arn:aws:ecr:eu-west-1:123456789012:repository/cloudapp/web"]
  }

  assert {
    condition     = one(aws_eks_cluster.this.vpc_config).endpoint_private_access && !one(aws_eks_cluster.this.vpc_config).endpoint_public_access
    error_message = "the Kubernetes API is private unless addresses are named"
  }

  assert {
    condition     = one(aws_eks_cluster.this.encryption_config).resources == toset(["secrets"]) && !one(aws_eks_cluster.this.access_config).bootstrap_cluster_creator_admin_permissions
    error_message = "secrets are encrypted; nobody is administrator by chance"
  }

  assert {
    condition     = toset(keys(aws_eks_fargate_profile.this)) == toset(["cloudapp", "kube-system"])
    error_message = "pods of both namespaces run on Fargate"
  }

  assert {
    condition     = jsondecode(aws_iam_role.pods.assume_role_policy).Statement[0].Condition.ArnLike["aws:SourceArn"] == "arn:aws:eks:eu-west-1:123456789012:fargateprofile/cloudapp/*"
    error_message = "Fargate assumes the role for this cluster only"
  }

  assert {
    condition     = jsondecode(aws_eks_addon.coredns.configuration_values).computeType == "Fargate" && output.oidc.issuer == "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    error_message = "names are resolved on Fargate; the issuer is without https://"
  }
}

run "cluster_refuses_the_world" {
  command = plan
  module {
    source = "./modules/cluster"
  }
  variables {
    subnet_ids           = ["subnet-1", "subnet-2"]
    admin_principal_arns = {}
    api_cidrs            = ["0.0.0.0/0"]
    repository_arns      = []
  }
  expect_failures = [var.admin_principal_arns, var.api_cidrs]
}

run "web" {
  command = plan
  module {
    source = "./modules/web"
  }

  variables {
    vpc_id                 = "vpc-1"
    task_subnet_ids        = ["subnet-apps"]
    balancer_subnet_ids    = ["subnet-a", "subnet-b"]
    image                  = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/cloudapp/web:1.0.0"
    repository_arn         = "arn:aws:ecr:eu-west-1:123456789012:repository/cloudapp/web"
    environment            = { CLOUDAPP_PUBLIC_URL = "https://cloudapp.example.com" }
    statements             = []
    tasks                  = { min = 3, max = 12 }
    certificate_arn        = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
    access_logs_bucket     = "logs"
    deletion_protection    = true
    session_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:cloudapp/web/session-key-abc"
  }

  assert {
    condition     = aws_lb_listener.https.protocol == "HTTPS" && aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "TLS 1.2 and 1.3 only"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.cloudfront.prefix_list_id == "pl-cloudfront" && aws_vpc_security_group_ingress_rule.cloudfront.cidr_ipv4 == null
    error_message = "only CloudFront reaches the load balancer"
  }

  assert {
    condition     = one(aws_lb_listener_rule.operators.action).type == "fixed-response" && contains(flatten([for one in aws_lb_listener_rule.operators.condition : [for p in one.path_pattern : p.values]]), "/metrics")
    error_message = "metrics are not for the public"
  }

  assert {
    condition = (jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
      && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "65532:65532"
    && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets[0].name == "CLOUDAPP_SESSION_KEY")
    error_message = "the program is nobody, cannot write its files, and gets its key as a secret"
  }

  assert {
    condition     = !one(aws_ecs_service.this.network_configuration).assign_public_ip && one(aws_ecs_service.this.deployment_circuit_breaker).rollback && aws_ecs_service.this.deployment_minimum_healthy_percent == 100
    error_message = "private tasks; a bad version is rolled back; nobody waits during a deployment"
  }
}

run "web_refuses_latest" {
  command = plan
  module {
    source = "./modules/web"
  }
  variables {
    vpc_id                 = "vpc-1"
    task_subnet_ids        = ["subnet-apps"]
    balancer_subnet_ids    = ["subnet-a", "subnet-b"]
    image                  = "web:latest"
    repository_arn         = "arn:aws:ecr:eu-west-1:123456789012:repository/cloudapp/web"
    environment            = {}
    statements             = []
    tasks                  = { min = 3, max = 1 }
    certificate_arn        = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
    access_logs_bucket     = "logs"
    deletion_protection    = true
    session_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"
  }
  expect_failures = [var.image, var.tasks]
}

run "cdn" {
  command = plan
  module {
    source = "./modules/cdn"
  }

  variables {
    host            = "cloudapp.example.com"
    origin_host     = "origin.cloudapp.example.com"
    origin          = { name = "lb.example", zone_id = "Z1" }
    zone_id         = "Z2"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    web_acl_arn     = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1"
    force_destroy   = false
  }

  assert {
    condition     = aws_cloudfront_distribution.this.web_acl_id == var.web_acl_arn && one(aws_cloudfront_distribution.this.viewer_certificate).minimum_protocol_version == "TLSv1.2_2021"
    error_message = "behind the firewall, current TLS"
  }

  assert {
    condition     = [for one in aws_cloudfront_distribution.this.ordered_cache_behavior : one.target_origin_id if one.path_pattern == "/assets/*"] == ["assets-or-web"]
    error_message = "files come from the bucket, or from web while a version is rolled out"
  }
}

run "cdn_refuses_a_certificate_of_another_region" {
  command = plan
  module {
    source = "./modules/cdn"
  }
  variables {
    host            = "cloudapp.example.com"
    origin_host     = "origin.cloudapp.example.com"
    origin          = { name = "lb.example", zone_id = "Z1" }
    zone_id         = "Z2"
    certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
    web_acl_arn     = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1"
    force_destroy   = false
    price_class     = "cheap"
  }
  expect_failures = [var.certificate_arn, var.price_class]
}

run "firewall" {
  command = plan
  module {
    source = "./modules/firewall"
  }

  variables {
    name                      = "services"
    scope                     = "REGIONAL"
    requests_per_five_minutes = 1000
    machine_cidrs             = ["10.40.128.0/19"]
  }

  assert {
    condition     = [for rule in aws_wafv2_web_acl.this.rule : rule.priority if rule.name == "machines-report-only"] == [1]
    error_message = "machines are bounded before anything else"
  }

  assert {
    condition     = length(aws_wafv2_web_acl_logging_configuration.this.redacted_fields) == 2 && startswith(aws_cloudwatch_log_group.this.name, "aws-waf-logs-")
    error_message = "tokens and cookies are not logged"
  }
}

run "firewall_refuses_an_unknown_scope" {
  command = plan
  module {
    source = "./modules/firewall"
  }
  variables {
    name                      = "x"
    scope                     = "GLOBAL"
    requests_per_five_minutes = 1
  }
  expect_failures = [var.scope, var.requests_per_five_minutes]
}

run "internal_endpoint_before_the_chart" {
  command = plan
  module {
    source = "./modules/internal-endpoint"
  }

  variables {
    load_balancer_name        = "cloudapp-services"
    host                      = "services.cloudapp.example.com"
    vpc_id                    = "vpc-1"
    client_security_group_ids = { web = "sg-web" }
    client_cidrs              = ["10.40.128.0/19"]
    pod_security_group_id     = "sg-pods"
    balancer_exists           = false
  }

  assert {
    condition     = length(aws_route53_record.this) == 0 && length(output.balancer_metrics) == 0
    error_message = "no alias before there is a load balancer"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.pods.security_group_id == "sg-pods" && aws_vpc_security_group_ingress_rule.pods.from_port == 8080
    error_message = "pods admit the load balancer"
  }
}

run "internal_endpoint_after_the_chart" {
  command = plan
  module {
    source = "./modules/internal-endpoint"
  }

  variables {
    load_balancer_name        = "cloudapp-services"
    host                      = "services.cloudapp.example.com"
    vpc_id                    = "vpc-1"
    client_security_group_ids = { web = "sg-web" }
    client_cidrs              = []
    pod_security_group_id     = "sg-pods"
    balancer_exists           = true
  }

  assert {
    condition     = [for record in aws_route53_record.this : one(record.alias).name] == ["internal-x.elb.amazonaws.com"] && output.balancer_metrics == { services = "app/cloudapp-services/1" }
    error_message = "the services' name leads to the load balancer"
  }
}

run "certificate" {
  command = plan
  module {
    source = "./modules/certificate"
  }

  variables {
    names   = ["cloudapp.example.com", "origin.cloudapp.example.com"]
    zone_id = "Z1"
  }

  assert {
    condition     = aws_acm_certificate.this.validation_method == "DNS"
    error_message = "names are proven by DNS, so that ACM renews the certificate by itself"
  }

  assert {
    condition     = toset(concat([aws_acm_certificate.this.domain_name], tolist(aws_acm_certificate.this.subject_alternative_names))) == toset(var.names)
    error_message = "the certificate is for every name"
  }

  assert {
    condition = { for name, record in aws_route53_record.proof : name => "${record.zone_id} ${record.name} ${record.type} ${one(record.records)}" } == {
      "cloudapp.example.com"        = "Z1 _a.cloudapp.example.com CNAME a.acm-validations.aws"
      "origin.cloudapp.example.com" = "Z1 _b.origin.cloudapp.example.com CNAME b.acm-validations.aws"
    }
    error_message = "every name has its own proof in the public zone"
  }

  assert {
    condition     = alltrue([for record in aws_route53_record.proof : record.allow_overwrite])
    error_message = "a certificate of another region may have the same proof"
  }
}

run "certificate_refuses_a_wildcard" {
  command = plan
  module {
    source = "./modules/certificate"
  }
  variables {
    names   = ["*.example.com"]
    zone_id = "Z1"
  }
  expect_failures = [var.names]
}
