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

variable "vpc_id" {
  description = "The VPC."
  type        = string
  nullable    = false
}

variable "subnet_ids" {
  description = "The subnets that machines are launched into, and no others."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "subnet_ids must name at least one subnet: machines have to be somewhere."
  }
}

variable "further_security_group_ids" {
  description = "Security groups of your own that configurations may name."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "ssh_cidrs" {
  description = "Where users' SSH comes from."
  type        = set(string)
  nullable    = false

  validation {
    condition     = alltrue([for cidr in var.ssh_cidrs : can(cidrhost(cidr, 0))])
    error_message = "ssh_cidrs must hold addresses such as 203.0.113.0/24."
  }
}

variable "instance_types" {
  description = "Instance types that may be launched; * and ? stand for any letters, but not for a whole type."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for type in var.instance_types : can(regex("^[a-z0-9-]+\\.[a-z0-9*?-]+$", type))])
    error_message = "instance_types must be such as t3.micro or m7i.*: a family in full, then a size."
  }
}

variable "image_owners" {
  description = "Owners of images beside this account: amazon, or account ids such as Canonical's."
  type        = list(string)
  default     = ["amazon"]
  nullable    = false

  validation {
    condition     = alltrue([for owner in var.image_owners : can(regex("^(amazon|aws-marketplace|[0-9]{12})$", owner))])
    error_message = "image_owners must be amazon, aws-marketplace or account ids of twelve digits."
  }
}

variable "largest_volume_gib" {
  description = "The largest root volume, GiB."
  type        = number
  default     = 500
  nullable    = false
}

variable "profile_role_arns" {
  description = "Roles that configurations may give to machines by an instance profile."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.profile_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "profile_role_arns must be ARNs of roles by name, without wildcards."
  }
}
