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

variable "cidr" {
  description = "The VPC's addresses: a /16."
  type        = string
  default     = "10.40.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr must be an IPv4 /16 such as 10.40.0.0/16: the four tiers of subnets are cut out of it."
  }
}

variable "zones" {
  description = "Three availability zones of the region, by name."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.zones) == 3 && length(distinct(var.zones)) == 3
    error_message = "zones must name three different availability zones."
  }
}

variable "nat" {
  description = "NAT gateways: per_zone (a zone's failure stays in the zone) or single (cheaper; its zone's failure cuts off services and Lambdas)."
  type        = string
  default     = "per_zone"
  nullable    = false

  validation {
    condition     = contains(["per_zone", "single"], var.nat)
    error_message = "nat must be per_zone or single: services and Lambdas must reach Cognito's keys, so there is no none."
  }
}

variable "machine_access" {
  description = "How users reach machines: public (machines get public addresses) or private (through your own network's connection to the VPC)."
  type        = string
  default     = "public"
  nullable    = false

  validation {
    condition     = contains(["public", "private"], var.machine_access)
    error_message = "machine_access must be public or private."
  }
}

variable "cluster_name" {
  description = "The EKS cluster that the load balancer controller finds subnets for."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long flow logs are kept, days."
  type        = number
  default     = 90
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that log groups are encrypted with."
  type        = string
  nullable    = false
}
