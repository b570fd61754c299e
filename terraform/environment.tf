# What each program is told, by the names that it reads (the same as standalone/src/up/environment.rs sets locally).

locals {
  token_environment = {
    CLOUDAPP_ISSUER    = module.identity.issuer
    CLOUDAPP_JWKS_URL  = module.identity.jwks_url
    CLOUDAPP_CLIENT_ID = module.identity.client_id
  }

  # No password: the programs sign in with an IAM token of their own role.
  database_environment = { for user in ["configure", "provision", "login", "stop_ec2"] : user => {
    DATABASE_URL           = "postgres://${user}@${module.database.host}:${module.database.port}/${module.database.name}"
    CLOUDAPP_DATABASE_AUTH = "iam"
  } }

  web_environment = merge(local.token_environment, {
    CLOUDAPP_USER_POOL_ID  = module.identity.user_pool_id
    CLOUDAPP_CONFIGURE_URL = local.services_url
    CLOUDAPP_PROVISION_URL = local.services_url
    CLOUDAPP_STATS_URL     = local.services_url
    CLOUDAPP_GATEWAY_URL   = module.gateway.url
    CLOUDAPP_PUBLIC_URL    = local.web_url
    # The collector is behind the services' load balancer, so that no further way has to be opened.
  }, var.collector ? { OTEL_EXPORTER_OTLP_ENDPOINT = local.services_url } : {}, var.web.environment)
}
