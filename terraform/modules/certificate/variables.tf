variable "names" {
  description = "The names it is for, the first one first."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.names) > 0 && alltrue([for name in var.names : can(regex("^([a-z0-9-]+\\.)+[a-z]+$", name))])
    error_message = "names must be host names such as cloudapp.example.com, in lower case, without wildcards."
  }
}

variable "zone_id" {
  description = "The public Route 53 zone that holds the names."
  type        = string
  nullable    = false
}
