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

variable "deletion_window_days" {
  description = "How long a deleted key can still be brought back, days (7 to 30, AWS's own limits)."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days must be 7 to 30: KMS takes nothing else."
  }
}

variable "ssh_ca_signer_role_arn" {
  description = "The only role that may sign with the SSH certificate authority: provision-instance's."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(":role/", var.ssh_ca_signer_role_arn))
    error_message = "ssh_ca_signer_role_arn must be the ARN of a role (arn:…:iam::ACCOUNT:role/NAME)."
  }
}
