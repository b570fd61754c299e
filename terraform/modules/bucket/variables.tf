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

variable "bucket" {
  description = "The bucket's name; it must be free in all of AWS."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "key_arn" {
  description = "The KMS key that encrypts it; null for S3's own keys (where CloudFront reads it for everybody)."
  type        = string
  default     = null
}

variable "expire_days" {
  description = "Objects are removed after this many days; null keeps them."
  type        = number
  default     = null
}

variable "infrequent_access_days" {
  description = "Objects go to Standard-IA after this many days (at least 30); null leaves them."
  type        = number
  default     = null
}

variable "noncurrent_days" {
  description = "Replaced and deleted objects can be brought back for this many days."
  type        = number
  default     = 30
  nullable    = false
}

variable "force_destroy" {
  description = "Whether destroying the bucket destroys what is in it."
  type        = bool
  default     = false
  nullable    = false
}

variable "statements" {
  description = "Further statements of the bucket policy."
  type        = any
  default     = []
  nullable    = false
}
