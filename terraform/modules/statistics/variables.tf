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

variable "events_bucket" {
  description = "The bucket with the event log."
  type        = string
  nullable    = false
}

variable "results_bucket" {
  description = "The bucket that results go to."
  type        = string
  nullable    = false
}

variable "database" {
  description = "The Glue database."
  type        = string
  default     = "cloudapp"
  nullable    = false
}

variable "table" {
  description = "The table of events."
  type        = string
  default     = "instance_events"
  nullable    = false
}

variable "bytes_scanned_cutoff" {
  description = "A query that reads more than this many bytes is ended (at least 10 MB, Athena's own limit)."
  type        = number
  default     = 10737418240
  nullable    = false

  validation {
    condition     = var.bytes_scanned_cutoff >= 10485760
    error_message = "bytes_scanned_cutoff must be at least 10485760: Athena takes nothing less."
  }
}

variable "key_arn" {
  description = "The key that results are encrypted with."
  type        = string
  nullable    = false
}
