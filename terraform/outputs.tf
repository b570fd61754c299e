output "helm_values" {
  description = "The chart's values: terraform output -json helm_values > values.json. No secret is in it."
  value = {
    namespace = local.namespace
    aws = {
      region      = local.context.region
      accountId   = local.context.account_id
      clusterName = module.cluster.name
      vpcId       = module.network.vpc_id
    }
    images = { registry = module.registry.prefix }
    token = {
      issuer   = module.identity.issuer
      jwksUrl  = module.identity.jwks_url
      clientId = module.identity.client_id
    }
    database = {
      host           = module.database.host
      port           = module.database.port
      name           = module.database.name
      adminSecretArn = module.database.master_secret_arn
    }
    serviceAccounts = {
      configureInstance = { roleArn = module.service_accounts["configure-instance"].role_arn }
      provisionInstance = { roleArn = module.service_accounts["provision-instance"].role_arn }
      viewStats         = { roleArn = module.service_accounts["view-stats"].role_arn }
      operate           = { roleArn = module.service_accounts["operate"].role_arn }
      telemetry         = { roleArn = module.service_accounts["telemetry"].role_arn }
    }
    ingress = {
      scheme           = "internal"
      host             = local.services_host
      certificateArn   = module.certificate_services.arn
      groupName        = var.name
      loadBalancerName = local.load_balancer_name
      securityGroups   = [module.internal_endpoint.security_group_id]
      subnets          = module.network.app_subnet_ids
      webAclArn        = module.firewall_services.arn
    }
    podSecurityGroups = []
    provisionInstance = {
      installation           = var.name
      loginQueueUrl          = module.messaging.queue_urls.login
      instanceEventsQueueUrl = module.messaging.queue_urls.instance_events
      adminTopicArn          = module.messaging.topic_arns.admin
      eventsBucket           = module.buckets["events"].name
      sshCaKeyId             = module.keys.ssh_ca_arn
      bootReportUrl          = "${local.services_url}/api/boot-reports"
      webUrl                 = local.web_url
      subnets                = module.network.machine_subnet_ids
      securityGroups         = [module.machines.security_group_id]
    }
    viewStats = {
      athenaWorkgroup = module.statistics.workgroup
      athenaDatabase  = module.statistics.database
      athenaTable     = module.statistics.table
    }
    collector = {
      enabled      = var.collector
      logGroupName = aws_cloudwatch_log_group.metrics.name
    }
    logs = { groupName = module.cluster.pod_log_group }
  }
}

output "load_balancer_controller" {
  description = "What the AWS Load Balancer Controller's own chart is installed with."
  value = {
    role_arn        = module.load_balancer_controller.role_arn
    namespace       = "kube-system"
    service_account = "aws-load-balancer-controller"
    cluster_name    = module.cluster.name
    region          = local.context.region
    vpc_id          = module.network.vpc_id
  }
}

output "services" {
  description = "The internal load balancer: its name, where it is found, and whether the name leads to it yet."
  value = {
    load_balancer_name = local.load_balancer_name
    url                = module.internal_endpoint.url
    alias_exists       = module.internal_endpoint.alias_exists
  }
}

output "web" {
  description = "The web tier: where it is, its ECS cluster and service, and the secret with its session keys."
  value = {
    url                    = local.web_url
    cluster                = module.web.cluster_name
    service                = module.web.service_name
    session_key_secret_arn = module.session_key.secret_arn
    assets_bucket          = module.cdn.assets_bucket
    distribution_id        = module.cdn.distribution_id
  }
}

output "images" {
  description = "Where each image is pushed."
  value       = module.registry.repository_urls
}

output "identity" {
  description = "The user pool, its client, and the hosted pages' domain."
  value = {
    user_pool_id = module.identity.user_pool_id
    client_id    = module.identity.client_id
    domain       = module.identity.domain
    issuer       = module.identity.issuer
    jwks_url     = module.identity.jwks_url
  }
}

output "api_url" {
  description = "API Gateway, in front of the Lambdas."
  value       = module.gateway.url
}

output "buckets" {
  description = "The buckets' names."
  value       = merge({ for name, bucket in module.buckets : name => bucket.name }, { assets = module.cdn.assets_bucket })
}

output "queues" {
  description = "The queues' URLs."
  value       = module.messaging.queue_urls
}

output "topics" {
  description = "The topics' ARNs."
  value       = module.messaging.topic_arns
}

output "alarms" {
  description = "All alarms' names."
  value       = module.alarms.names
}
