# Both examples whole, and what the composition refuses. checks/test runs this on a copy in which the session key has no
# ephemeral password, which mocks do not know, and looks into every resource of these plans besides
# (checks/cloudapp_checks/composition.py). Everything is known at the plan, so nothing is applied.

mock_provider "aws" {
  source          = "./tests/composition/mocks"
  override_during = plan
}

mock_provider "aws" {
  alias           = "us_east_1"
  source          = "./tests/composition/mocks"
  override_during = plan
}

# What must not be taken for one another has an ARN of its own.
override_resource {
  target          = module.cloudapp.module.keys.aws_kms_key.this["data"]
  values          = { arn = "arn:aws:kms:eu-west-1:123456789012:key/data" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.keys.aws_kms_key.this["database"]
  values          = { arn = "arn:aws:kms:eu-west-1:123456789012:key/database" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.keys.aws_kms_key.this["cluster"]
  values          = { arn = "arn:aws:kms:eu-west-1:123456789012:key/cluster" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.keys.aws_kms_key.this["logs"]
  values          = { arn = "arn:aws:kms:eu-west-1:123456789012:key/logs" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.keys.aws_kms_key.ssh_ca
  values          = { arn = "arn:aws:kms:eu-west-1:123456789012:key/ssh-ca" }
  override_during = plan
}
override_resource {
  target = module.cloudapp.module.certificate.aws_acm_certificate.this
  values = {
    arn = "arn:aws:acm:eu-west-1:123456789012:certificate/certificate"
    domain_validation_options = [
      { domain_name = "cloudapp.example.com", resource_record_name = "_x", resource_record_type = "CNAME", resource_record_value = "x" },
      { domain_name = "origin.cloudapp.example.com", resource_record_name = "_x", resource_record_type = "CNAME", resource_record_value = "x" },
    ]
  }
  override_during = plan
}
override_resource {
  target = module.cloudapp.module.certificate_services.aws_acm_certificate.this
  values = {
    arn                       = "arn:aws:acm:eu-west-1:123456789012:certificate/certificate_services"
    domain_validation_options = [{ domain_name = "services.cloudapp.example.com", resource_record_name = "_x", resource_record_type = "CNAME", resource_record_value = "x" }]
  }
  override_during = plan
}
override_resource {
  target = module.cloudapp.module.certificate_edge.aws_acm_certificate.this
  values = {
    arn                       = "arn:aws:acm:us-east-1:123456789012:certificate/certificate_edge"
    domain_validation_options = [{ domain_name = "cloudapp.example.com", resource_record_name = "_x", resource_record_type = "CNAME", resource_record_value = "x" }]
  }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.firewall_edge.aws_wafv2_web_acl.this
  values          = { arn = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/edge/1" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.firewall_web.aws_wafv2_web_acl.this
  values          = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/web/1" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.firewall_services.aws_wafv2_web_acl.this
  values          = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/services/1" }
  override_during = plan
}
override_resource {
  target          = module.cloudapp.module.firewall_identity.aws_wafv2_web_acl.this
  values          = { arn = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/identity/1" }
  override_during = plan
}

variables {
  # The examples'.
  region        = "eu-west-1"
  zones         = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
  image_tag     = "1.0.0"
  lambda_folder = "./lambdas"
  alarms_file   = "../observability/alarms.json"
  ssh_cidrs     = ["203.0.113.0/24"]
  cluster_admins = {
    operators = "arn:aws:iam::123456789012:role/operators"
  }

  # Everybody's.
  domain                   = "cloudapp.example.com"
  zone_id                  = "Z1"
  runbook_base_url         = "https://runbooks.example.com"
  admin_mail               = ["admin@example.com"]
  monthly_usd              = 1500
  services_balancer_exists = false
}

run "production" {
  command = plan
  module {
    source = "./examples/production"
  }
  variables {
    protected = true
  }

  assert {
    condition     = output.web.url == "https://cloudapp.example.com" && output.services.url == "https://services.cloudapp.example.com"
    error_message = "people and services find CloudApp under its domain"
  }

  assert {
    condition     = output.helm_values.provisionInstance.bootReportUrl == "${output.services.url}/api/boot-reports"
    error_message = "machines report to the services' name"
  }

  assert {
    condition     = !output.services.alias_exists && output.helm_values.ingress.loadBalancerName == output.services.load_balancer_name
    error_message = "the chart makes the load balancer that the alias waits for"
  }
}

run "minimal" {
  command = plan
  module {
    source = "./examples/minimal"
  }
  variables {
    protected = false
  }
}

# A second installation in the account.
run "another_name" {
  command = plan

  variables {
    name            = "trial"
    protected       = false
    network         = { zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"], nat = "single" }
    database        = { capacity = { min = 0.5, max = 4 }, instances = 1 }
    cluster         = { admin_principal_arns = { operators = "arn:aws:iam::123456789012:role/operators" } }
    machines        = { ssh_cidrs = ["203.0.113.0/24"], instance_types = ["t3.*"] }
    web             = { image_tag = "1.0.0" }
    lambda_packages = { auth = "./lambdas/auth.zip", login-poller = "./lambdas/login-poller.zip", stop-ec2 = "./lambdas/stop-ec2.zip" }
    alarms          = { log_metrics = {}, alarms = {} }
  }

  assert {
    condition     = output.helm_values.aws.clusterName == "trial" && output.helm_values.ingress.groupName == "trial"
    error_message = "the chart gets the names that the controller may use"
  }
}

run "refusals" {
  command = plan

  variables {
    name            = "C"
    domain          = "https://cloudapp.example.com"
    lambda_packages = { auth = "./lambdas/auth.zip" }

    log_retention_days = 7
    protected          = true
    network            = { zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"] }
    database           = { capacity = { min = 1, max = 16 }, instances = 2 }
    cluster            = { admin_principal_arns = { operators = "arn:aws:iam::123456789012:role/operators" } }
    machines           = { ssh_cidrs = ["203.0.113.0/24"], instance_types = ["t3.*"] }
    web                = { image_tag = "1.0.0" }
    alarms             = { log_metrics = {}, alarms = {} }
  }
  expect_failures = [var.name, var.domain, var.lambda_packages, var.log_retention_days]
}
