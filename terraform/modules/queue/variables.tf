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

variable "queue" {
  description = "The queue's name; its dead-letter queue is named with -dlq behind it."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,76}$", var.queue))
    error_message = "queue must be 1 to 76 letters, digits, hyphens and underscores, so that -dlq fits behind it."
  }
}

variable "visibility_timeout_seconds" {
  description = "How long a received message stays unseen: six times the consumer's timeout, so that a batch in hand is not taken twice."
  type        = number
  nullable    = false
}

variable "retention_seconds" {
  description = "How long a message is kept: 14 days, the longest there is."
  type        = number
  default     = 1209600
  nullable    = false
}

variable "max_receive_count" {
  description = "A message goes to the dead-letter queue after this many receives."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 3
    error_message = "max_receive_count must be at least 3: a deployment interrupts a consumer once or twice."
  }
}

variable "key_arn" {
  description = "The key that messages are encrypted with."
  type        = string
  nullable    = false
}

variable "senders" {
  description = "AWS services that may send, each for one source only."
  type        = map(object({ service = string, source_arn = string }))
  default     = {}
  nullable    = false
}
