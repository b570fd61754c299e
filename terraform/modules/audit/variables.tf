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

variable "key_arn" {
  description = "The key of logs and trails."
  type        = string
  nullable    = false
}

variable "keep_days" {
  description = "How long the trail is kept in S3, days."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.keep_days >= 90
    error_message = "keep_days must be at least 90: what is found late must still be there."
  }
}

variable "log_retention_days" {
  description = "How long the trail can be searched in CloudWatch Logs, days."
  type        = number
  default     = 90
  nullable    = false
}

variable "access_log_prefixes" {
  description = "Folders that load balancers write their access logs into."
  type        = set(string)
  default     = ["web", "web-connections"]
  nullable    = false
}

variable "force_destroy" {
  description = "Whether destroying the buckets destroys what is in them."
  type        = bool
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for the role, if the account demands one."
  type        = string
  default     = null
}
