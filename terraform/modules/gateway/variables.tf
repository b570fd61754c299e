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

variable "issuer" {
  description = "Who issues tokens."
  type        = string
  nullable    = false
}

variable "client_id" {
  description = "Whom tokens are issued for."
  type        = string
  nullable    = false
}

variable "routes" {
  description = "METHOD /path to the function that answers it."
  type        = map(object({ function_arn = string, timeout_seconds = number }))
  nullable    = false

  validation {
    condition     = alltrue([for route in keys(var.routes) : can(regex("^(GET|POST|PUT|DELETE) /[^ *]*$", route))])
    error_message = "routes must be METHOD /path such as \"GET /executions/{id}\", with no wildcard."
  }
}

variable "throttle" {
  description = "Requests per second for each route, and how many more may come at once."
  type        = object({ per_second = number, burst = number })
  default     = { per_second = 100, burst = 200 }
  nullable    = false
}

variable "logs_key_arn" {
  description = "The key that log groups are encrypted with."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long access logs are kept, days."
  type        = number
  default     = 90
  nullable    = false
}
