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

variable "web_url" {
  description = "Where people find CloudApp."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://[^/]+$", var.web_url))
    error_message = "web_url must be https://HOST without a path: without TLS, session cookies can be read on the way."
  }
}

variable "trigger_function_arn" {
  description = "The Lambda auth: post-authentication and pre-token-generation."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Refuse to delete the user pool."
  type        = bool
  nullable    = false
}
