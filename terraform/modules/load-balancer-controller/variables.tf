variable "context" {
  description = "Where this is: the prefix of all names, and the partition, account and region that ARNs are made of."
  type = object({
    name       = string
    partition  = string
    account_id = string
    region     = string
  })
  nullable = false
}

variable "cluster_name" {
  description = "The cluster whose mark it puts on what it makes."
  type        = string
  nullable    = false
}

variable "namespace" {
  description = "The namespace whose services it exposes; part of target groups' names."
  type        = string
  nullable    = false
}

variable "load_balancer_name" {
  description = "The one load balancer it may make."
  type        = string
  nullable    = false
}

variable "web_acl_arn" {
  description = "The firewall that it attaches."
  type        = string
  nullable    = false
}

variable "oidc" {
  description = "The cluster's issuer: the provider's ARN, and the issuer without https://."
  type        = object({ provider_arn = string, issuer = string })
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for the role, if the account demands one."
  type        = string
  default     = null
}
