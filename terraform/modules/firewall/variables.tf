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

variable "name" {
  description = "What it protects, for its name."
  type        = string
  nullable    = false
}

variable "scope" {
  description = "REGIONAL for load balancers and user pools; CLOUDFRONT, with a provider for us-east-1, for distributions."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["REGIONAL", "CLOUDFRONT"], var.scope)
    error_message = "scope must be REGIONAL or CLOUDFRONT."
  }
}

variable "protects" {
  description = "ARNs of load balancers and user pools, by name. Distributions and the controller's balancer name their ACL themselves."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "requests_per_five_minutes" {
  description = "More than this from one address in five minutes is answered with 429 (at least 10, AWS's own limit)."
  type        = number
  nullable    = false

  validation {
    condition     = var.requests_per_five_minutes >= 10
    error_message = "requests_per_five_minutes must be at least 10: WAF takes nothing less."
  }
}

variable "unlimited_addresses" {
  description = "Addresses that the limit is not for."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "machine_cidrs" {
  description = "Addresses of users' machines: from there, only reports come in."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that the log is encrypted with; null (AWS's own) outside the installation's region."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How long blocked and counted requests are kept, days."
  type        = number
  default     = 90
  nullable    = false
}
