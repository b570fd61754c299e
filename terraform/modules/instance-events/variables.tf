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

variable "queue_arn" {
  description = "The queue that provision-instance reads."
  type        = string
  nullable    = false
}
