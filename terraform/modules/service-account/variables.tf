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

variable "namespace" {
  description = "The service account's namespace."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.namespace))
    error_message = "namespace must be the name of one namespace, without wildcards."
  }
}

variable "service_account" {
  description = "The service account's name."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*$", var.service_account))
    error_message = "service_account must be one name: a wildcard would give the role to others."
  }
}

variable "oidc" {
  description = "The cluster's issuer: the provider's ARN, and the issuer without https://."
  type        = object({ provider_arn = string, issuer = string })
  nullable    = false
}

variable "statements" {
  description = "What it may do."
  type        = any
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for the role, if the account demands one."
  type        = string
  default     = null
}
