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
  description = "The namespace of CloudApp's pods."
  type        = string
  default     = "cloudapp"
  nullable    = false
}

variable "kubernetes_version" {
  description = "The Kubernetes version."
  type        = string
  default     = "1.35"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.[0-9]{2}$", var.kubernetes_version))
    error_message = "kubernetes_version must be such as 1.35."
  }
}

variable "subnet_ids" {
  description = "Private subnets of pods and of the control plane's interfaces."
  type        = list(string)
  nullable    = false
}

variable "api_cidrs" {
  description = "Addresses from which the Kubernetes API can be reached from outside the VPC; empty closes it."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = !contains(var.api_cidrs, "0.0.0.0/0")
    error_message = "api_cidrs must not hold 0.0.0.0/0: name the addresses of your office, VPN or CI."
  }
}

variable "admin_principal_arns" {
  description = "Roles and users that administer the cluster, by a name of yours. Whoever creates the cluster is none of them by itself."
  type        = map(string)
  nullable    = false

  validation {
    condition     = length(var.admin_principal_arns) > 0
    error_message = "admin_principal_arns must name at least one role: nobody else could install the chart."
  }
}

variable "repository_arns" {
  description = "The image repositories that pods pull from."
  type        = list(string)
  nullable    = false
}

variable "key_arn" {
  description = "The key that Kubernetes secrets are encrypted with."
  type        = string
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that log groups are encrypted with."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long logs are kept, days."
  type        = number
  default     = 90
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for all roles, if the account demands one."
  type        = string
  default     = null
}
