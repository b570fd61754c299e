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
  description = "The database's subnets, at least two zones."
  type        = list(string)
  nullable    = false
}

variable "client_security_group_ids" {
  description = "Security groups that may connect, by what they belong to."
  type        = map(string)
  nullable    = false
}

variable "database_name" {
  description = "The database with all schemas."
  type        = string
  default     = "cloudapp"
  nullable    = false
}

variable "engine_version" {
  description = "Aurora PostgreSQL's version."
  type        = string
  default     = "16.8"
  nullable    = false
}

variable "engine_family" {
  description = "The parameter family that goes with the version."
  type        = string
  default     = "aurora-postgresql16"
  nullable    = false

  validation {
    condition     = startswith(var.engine_version, "${trimprefix(var.engine_family, "aurora-postgresql")}.")
    error_message = "engine_family must be of the same major version as engine_version, such as aurora-postgresql16 for 16.8."
  }
}

variable "capacity" {
  description = "Aurora capacity units (2 GiB each): what is kept at least, and what it may grow to."
  type        = object({ min = number, max = number })
  nullable    = false

  validation {
    condition     = var.capacity.min >= 0.5 && var.capacity.max >= var.capacity.min && var.capacity.max <= 256
    error_message = "capacity must be 0.5 <= min <= max <= 256: at 0 the database would sleep, and a start takes longer than a launch may."
  }
}

variable "instances" {
  description = "Instances in different zones: 2 or more survive a zone."
  type        = number
  nullable    = false

  validation {
    condition     = var.instances >= 1 && var.instances <= 15
    error_message = "instances must be 1 to 15."
  }
}

variable "backup_retention_days" {
  description = "How far back the database can be restored, days."
  type        = number
  default     = 14
  nullable    = false

  validation {
    condition     = var.backup_retention_days >= 7 && var.backup_retention_days <= 35
    error_message = "backup_retention_days must be 7 to 35."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the database."
  type        = bool
  nullable    = false
}

variable "final_snapshot" {
  description = "Keep a snapshot when the database is deleted."
  type        = bool
  nullable    = false
}

variable "key_arn" {
  description = "The key that encrypts the database and its master secret."
  type        = string
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that log groups are encrypted with."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the database's log is kept, days."
  type        = number
  default     = 90
  nullable    = false
}
