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
  description = "The function's name without the prefix."
  type        = string
  nullable    = false
}

variable "description" {
  description = "What it does."
  type        = string
  nullable    = false
}

variable "package" {
  description = "Path of the zip with the program, named bootstrap."
  type        = string
  nullable    = false

  validation {
    condition     = endswith(var.package, ".zip") && fileexists(var.package)
    error_message = "package must be the path of a zip that is there; build the Lambda packages first."
  }
}

variable "timeout_seconds" {
  description = "How long an invocation may take."
  type        = number
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 30
    error_message = "timeout_seconds must be 1 to 30: API Gateway waits no longer than 30 seconds, Cognito five."
  }
}

variable "memory_mib" {
  description = "Memory, MiB; the processor's share grows with it."
  type        = number
  default     = 256
  nullable    = false
}

variable "environment" {
  description = "Settings of the program. No secrets: they can be read by whoever may describe the function."
  type        = map(string)
  nullable    = false
}

variable "statements" {
  description = "What the function may do beyond its own log and traces."
  type        = any
  nullable    = false
}

variable "network" {
  description = "The VPC it runs in, if it does."
  type        = object({ vpc_id = string, cidr = string, subnet_ids = list(string) })
  default     = null
}

variable "event_source" {
  description = "The queue it consumes, if it does."
  type        = object({ queue_arn = string, batch_size = optional(number, 10), maximum_concurrency = optional(number, 10) })
  default     = null
}

variable "queue_key_arn" {
  description = "The key that the consumed queue's messages are encrypted with."
  type        = string
  default     = null
}

variable "invokers" {
  description = "Who may call it: AWS services, each for one source only."
  type        = map(object({ service = string, source_arn = string }))
  default     = {}
  nullable    = false
}

variable "reserved_concurrency" {
  description = "Executions at the same time at most; -1 shares the account's. Each holds database connections."
  type        = number
  default     = -1
  nullable    = false
}

variable "key_arn" {
  description = "The key that encrypts its environment."
  type        = string
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that log groups are encrypted with."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long its log is kept, days."
  type        = number
  default     = 90
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for the role, if the account demands one."
  type        = string
  default     = null
}
