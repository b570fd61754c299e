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
  description = "The key that messages are encrypted with."
  type        = string
  nullable    = false
}

variable "login_poller_timeout_seconds" {
  description = "How long login-poller may take for a batch."
  type        = number
  nullable    = false
}

variable "mailer_timeout_seconds" {
  description = "How long a consumer of the mail queue may take for a batch."
  type        = number
  default     = 30
  nullable    = false
}

variable "event_rule_arns" {
  description = "EventBridge rules that put EC2's events into the queue of instance events, by a name for the policy."
  type        = map(string)
  nullable    = false
}

variable "admin_mail" {
  description = "Addresses that get the admins' notices and all alarms."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.admin_mail : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", address))])
    error_message = "admin_mail must hold e-mail addresses."
  }
}
