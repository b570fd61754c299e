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
  description = "The key that secrets are encrypted with."
  type        = string
  nullable    = false
}

variable "recovery_window_days" {
  description = "How long a deleted secret can be brought back: 7 to 30 days; 0 deletes it at once."
  type        = number
  nullable    = false

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "recovery_window_days must be 0 or 7 to 30."
  }
}

variable "key_version" {
  description = "A higher number replaces the session key at once and signs everybody out. For anything else use deploy/rotate-session-key."
  type        = number
  default     = 1
  nullable    = false
}
