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

variable "images" {
  description = "The images' names without the prefix."
  type        = set(string)
  default     = ["web", "configure-instance", "provision-instance", "view-stats", "operate"]
  nullable    = false
}

variable "keep" {
  description = "How many images of each are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.keep >= 5
    error_message = "keep must be at least 5: what runs and what one would roll back to must not be removed."
  }
}

variable "force_destroy" {
  description = "Whether destroying a repository destroys its images."
  type        = bool
  default     = false
  nullable    = false
}

variable "key_arn" {
  description = "The key that images are encrypted with."
  type        = string
  nullable    = false
}
