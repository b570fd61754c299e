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

variable "task_subnet_ids" {
  description = "Private subnets of the tasks."
  type        = list(string)
  nullable    = false
}

variable "balancer_subnet_ids" {
  description = "Public subnets of the load balancer."
  type        = list(string)
  nullable    = false
}

variable "image" {
  description = "The image with its tag."
  type        = string
  nullable    = false

  validation {
    condition     = !endswith(var.image, ":latest") && can(regex(":[A-Za-z0-9_.-]+$|@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must end in a tag or digest, and not in :latest: a task must be the same tomorrow."
  }
}

variable "repository_arn" {
  description = "The image's repository."
  type        = string
  nullable    = false
}

variable "environment" {
  description = "Settings of the program. No secrets."
  type        = map(string)
  nullable    = false
}

variable "statements" {
  description = "What the program may do."
  type        = any
  nullable    = false
}

variable "port" {
  description = "Where the program listens."
  type        = number
  default     = 8080
  nullable    = false
}

variable "cpu" {
  description = "Processor units of a task (1024 is one)."
  type        = number
  default     = 256
  nullable    = false
}

variable "memory_mib" {
  description = "Memory of a task, MiB."
  type        = number
  default     = 512
  nullable    = false
}

variable "tasks" {
  description = "How many tasks at least and at most."
  type        = object({ min = number, max = number })
  nullable    = false

  validation {
    condition     = var.tasks.min >= 1 && var.tasks.max >= var.tasks.min
    error_message = "tasks must be 1 <= min <= max."
  }
}

variable "certificate_arn" {
  description = "The load balancer's certificate."
  type        = string
  nullable    = false
}

variable "access_logs_bucket" {
  description = "The bucket of access logs."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer."
  type        = bool
  nullable    = false
}

variable "session_key_secret_arn" {
  description = "The secret with the keys that seal sessions."
  type        = string
  nullable    = false
}

variable "key_arn" {
  description = "The key that secrets are encrypted with."
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
