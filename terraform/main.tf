# All of CloudApp in one account and region: who talks to whom is in docs and in the security groups' descriptions.
# Roots are in examples/; this is what they compose.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  context = {
    name       = var.name
    partition  = data.aws_partition.this.partition
    account_id = data.aws_caller_identity.this.account_id
    region     = data.aws_region.this.name
  }
  edge_context = merge(local.context, { region = "us-east-1" })

  namespace          = "cloudapp"
  load_balancer_name = "${var.name}-services"
  web_url            = "https://${var.domain}"
  services_host      = "services.${var.domain}"
  origin_host        = "origin.${var.domain}"
  services_url       = "https://${local.services_host}"

  # Timeouts in seconds. Cognito gives a trigger five; API Gateway and people want the others soon.
  timeouts = { auth = 5, login-poller = 10, stop-ec2 = 10 }
}

module "keys" {
  source = "./modules/keys"

  context                = local.context
  deletion_window_days   = var.protected ? 30 : 7
  ssh_ca_signer_role_arn = "arn:${local.context.partition}:iam::${local.context.account_id}:role/${var.name}-provision-instance"
}

module "network" {
  source = "./modules/network"

  context            = local.context
  cidr               = var.network.cidr
  zones              = var.network.zones
  nat                = var.network.nat
  machine_access     = var.machines.access
  cluster_name       = var.name
  log_retention_days = var.log_retention_days
  logs_key_arn       = module.keys.arns.logs
}

# Data ------------------------------------------------------------------------------------------------------------

module "database" {
  source = "./modules/database"

  context    = local.context
  vpc_id     = module.network.vpc_id
  subnet_ids = module.network.database_subnet_ids
  client_security_group_ids = {
    services     = module.cluster.security_group_id
    login-poller = module.function_login_poller.security_group_id
    stop-ec2     = module.function_stop_ec2.security_group_id
  }
  engine_version        = var.database.engine_version
  engine_family         = var.database.engine_family
  capacity              = var.database.capacity
  instances             = var.database.instances
  backup_retention_days = var.database.backup_retention_days
  deletion_protection   = var.protected
  final_snapshot        = var.protected
  key_arn               = module.keys.arns.database
  logs_key_arn          = module.keys.arns.logs
  log_retention_days    = var.log_retention_days
}

locals {
  buckets = {
    events         = { infrequent_access_days = 90, expire_days = null } # the history of everything: kept
    athena-results = { infrequent_access_days = null, expire_days = 7 }
    reports        = { infrequent_access_days = null, expire_days = 30 }
    first-seen     = { infrequent_access_days = null, expire_days = null }
  }
}

module "buckets" {
  source   = "./modules/bucket"
  for_each = local.buckets

  context                = local.context
  bucket                 = "${var.name}-${each.key}-${local.context.account_id}"
  key_arn                = module.keys.arns.data
  expire_days            = each.value.expire_days
  infrequent_access_days = each.value.infrequent_access_days
  force_destroy          = !var.protected
}

module "statistics" {
  source = "./modules/statistics"

  context        = local.context
  database       = replace(var.name, "-", "_") # the account has one catalog
  events_bucket  = module.buckets["events"].name
  results_bucket = module.buckets["athena-results"].name
  key_arn        = module.keys.arns.data
}

module "messaging" {
  source = "./modules/messaging"

  context                      = local.context
  key_arn                      = module.keys.arns.data
  login_poller_timeout_seconds = local.timeouts.login-poller
  admin_mail                   = var.admin_mail
  event_rule_arns = { for name in ["state-change", "spot-interruption"] :
    name => "arn:${local.context.partition}:events:${local.context.region}:${local.context.account_id}:rule/${var.name}-${name}"
  }
}

module "instance_events" {
  source = "./modules/instance-events"

  context   = local.context
  queue_arn = module.messaging.queue_arns.instance_events
}

# People ----------------------------------------------------------------------------------------------------------

module "identity" {
  source = "./modules/identity"

  context              = local.context
  web_url              = local.web_url
  trigger_function_arn = module.function_auth.arn
  deletion_protection  = var.protected
}

module "gateway" {
  source = "./modules/gateway"

  context            = local.context
  issuer             = module.identity.issuer
  client_id          = module.identity.client_id
  throttle           = var.api_throttle
  logs_key_arn       = module.keys.arns.logs
  log_retention_days = var.log_retention_days
  routes = {
    "GET /executions/{id}" = {
      function_arn = module.function_login_poller.arn, timeout_seconds = local.timeouts.login-poller
    }
    "POST /instances/{id}/force-stop" = {
      function_arn = module.function_stop_ec2.arn, timeout_seconds = local.timeouts.stop-ec2
    }
  }
}

# Services --------------------------------------------------------------------------------------------------------

module "registry" {
  source = "./modules/registry"

  context       = local.context
  key_arn       = module.keys.arns.data
  force_destroy = !var.protected
}

module "cluster" {
  source = "./modules/cluster"

  context                  = local.context
  namespace                = local.namespace
  kubernetes_version       = var.cluster.kubernetes_version
  api_cidrs                = var.cluster.api_cidrs
  admin_principal_arns     = var.cluster.admin_principal_arns
  subnet_ids               = module.network.app_subnet_ids
  repository_arns          = values(module.registry.repository_arns)
  key_arn                  = module.keys.arns.cluster
  logs_key_arn             = module.keys.arns.logs
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "machines" {
  source = "./modules/machines"

  context                    = local.context
  vpc_id                     = module.network.vpc_id
  subnet_ids                 = module.network.machine_subnet_ids
  further_security_group_ids = var.machines.further_security_group_ids
  ssh_cidrs                  = var.machines.ssh_cidrs
  instance_types             = var.machines.instance_types
  image_owners               = var.machines.image_owners
  largest_volume_gib         = var.machines.largest_volume_gib
  profile_role_arns          = var.machines.profile_role_arns
}

module "service_accounts" {
  source   = "./modules/service-account"
  for_each = local.service_accounts

  context                  = local.context
  namespace                = local.namespace
  service_account          = each.key
  oidc                     = module.cluster.oidc
  statements               = each.value
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "load_balancer_controller" {
  source = "./modules/load-balancer-controller"

  context                  = local.context
  cluster_name             = var.name
  namespace                = local.namespace
  load_balancer_name       = local.load_balancer_name
  web_acl_arn              = module.firewall_services.arn
  oidc                     = module.cluster.oidc
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "internal_endpoint" {
  source = "./modules/internal-endpoint"

  load_balancer_name        = local.load_balancer_name
  host                      = local.services_host
  vpc_id                    = module.network.vpc_id
  client_security_group_ids = { web = module.web.security_group_id }
  client_cidrs              = module.network.machine_cidrs
  pod_security_group_id     = module.cluster.security_group_id
  balancer_exists           = var.services_balancer_exists
}

# Edge ------------------------------------------------------------------------------------------------------------

module "certificate" {
  source = "./modules/certificate"

  names   = [var.domain, local.origin_host]
  zone_id = var.zone_id
}

module "certificate_services" {
  source = "./modules/certificate"

  names   = [local.services_host]
  zone_id = var.zone_id
}

# No alarm can watch it from another region; web's certificate has the same name and proof, and its alarm speaks for both.
module "certificate_edge" {
  source    = "./modules/certificate"
  providers = { aws = aws.us_east_1 }

  names   = [var.domain]
  zone_id = var.zone_id
}

module "session_key" {
  source = "./modules/session-key"

  context              = local.context
  key_arn              = module.keys.arns.data
  recovery_window_days = var.protected ? 30 : 0
  key_version          = var.web.session_key_version
}

module "web" {
  source = "./modules/web"

  context                  = local.context
  vpc_id                   = module.network.vpc_id
  task_subnet_ids          = module.network.app_subnet_ids
  balancer_subnet_ids      = module.network.public_subnet_ids
  image                    = "${module.registry.repository_urls["web"]}:${var.web.image_tag}"
  repository_arn           = module.registry.repository_arns["web"]
  environment              = local.web_environment
  statements               = local.web_statements
  cpu                      = var.web.cpu
  memory_mib               = var.web.memory_mib
  tasks                    = var.web.tasks
  certificate_arn          = module.certificate.arn
  access_logs_bucket       = module.audit.access_logs_bucket
  deletion_protection      = var.protected
  session_key_secret_arn   = module.session_key.secret_arn
  key_arn                  = module.keys.arns.data
  logs_key_arn             = module.keys.arns.logs
  log_retention_days       = var.log_retention_days
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "cdn" {
  source = "./modules/cdn"

  context         = local.context
  host            = var.domain
  origin_host     = local.origin_host
  origin          = module.web.balancer_dns
  zone_id         = var.zone_id
  certificate_arn = module.certificate_edge.arn
  web_acl_arn     = module.firewall_edge.arn
  price_class     = var.price_class
  force_destroy   = !var.protected
}

module "firewall_edge" {
  source    = "./modules/firewall"
  providers = { aws = aws.us_east_1 }

  context                   = local.edge_context
  name                      = "edge"
  scope                     = "CLOUDFRONT"
  requests_per_five_minutes = var.requests_per_five_minutes
  log_retention_days        = var.log_retention_days
}

# Behind CloudFront all requests come from CloudFront's addresses, so the limit here is for what comes past it.
module "firewall_web" {
  source = "./modules/firewall"

  context                   = local.context
  name                      = "web"
  scope                     = "REGIONAL"
  protects                  = { web = module.web.balancer_arn }
  requests_per_five_minutes = 1000000
  logs_key_arn              = module.keys.arns.logs
  log_retention_days        = var.log_retention_days
}

module "firewall_services" {
  source = "./modules/firewall"

  context                   = local.context
  name                      = "services"
  scope                     = "REGIONAL"
  machine_cidrs             = module.network.machine_cidrs
  requests_per_five_minutes = 1000000 # web's tasks are few addresses
  logs_key_arn              = module.keys.arns.logs
  log_retention_days        = var.log_retention_days
}

# Sign-ins through web come from the NAT gateways.
module "firewall_identity" {
  source = "./modules/firewall"

  context                   = local.context
  name                      = "identity"
  scope                     = "REGIONAL"
  protects                  = { user-pool = module.identity.user_pool_arn }
  requests_per_five_minutes = 300
  unlimited_addresses       = values(module.network.nat_addresses)
  logs_key_arn              = module.keys.arns.logs
  log_retention_days        = var.log_retention_days
}

# Sight -----------------------------------------------------------------------------------------------------------

module "audit" {
  source = "./modules/audit"

  context                  = local.context
  key_arn                  = module.keys.arns.logs
  log_retention_days       = var.log_retention_days
  force_destroy            = !var.protected
  permissions_boundary_arn = var.permissions_boundary_arn
}

module "alarms" {
  source = "./modules/alarms"

  context          = local.context
  topic_arn        = module.messaging.topic_arns.admin
  runbook_base_url = var.runbook_base_url
  definitions      = var.alarms
  web              = module.web.metrics
  api_id           = module.gateway.api_id
  database         = { cluster_identifier = module.database.cluster_identifier, connections = var.database.alarm_connections }
  log_groups = {
    web                = module.web.log_group
    configure-instance = module.cluster.pod_log_group
    provision-instance = module.cluster.pod_log_group
    view-stats         = module.cluster.pod_log_group
  }
  resources = {
    queues             = module.messaging.queue_names
    dead_letter_queues = module.messaging.dead_letter_names
    functions = {
      auth         = module.function_auth.name
      login-poller = module.function_login_poller.name
      stop-ec2     = module.function_stop_ec2.name
    }
    auth_function  = { auth = "auth" } # as the program calls itself in its metrics
    load_balancers = merge({ web = module.web.metrics.balancer }, module.internal_endpoint.balancer_metrics)
    certificates   = { web = module.certificate.arn, services = module.certificate_services.arn }
    workgroups     = { statistics = module.statistics.workgroup }
  }
}

module "budget" {
  source = "./modules/budget"

  context     = local.context
  monthly_usd = var.monthly_usd
  topic_arn   = module.messaging.topic_arns.admin
}
