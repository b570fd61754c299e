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

variable "host" {
  description = "Where people find CloudApp."
  type        = string
  nullable    = false
}

variable "origin_host" {
  description = "The load balancer's name behind CloudFront; its certificate must be for it and for host."
  type        = string
  nullable    = false
}

variable "origin" {
  description = "The load balancer's own name and zone."
  type        = object({ name = string, zone_id = string })
  nullable    = false
}

variable "zone_id" {
  description = "The public Route 53 zone."
  type        = string
  nullable    = false
}

variable "certificate_arn" {
  description = "The certificate for host, in us-east-1."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex(":acm:us-east-1:", var.certificate_arn))
    error_message = "certificate_arn must be of us-east-1: CloudFront takes no other."
  }
}

variable "web_acl_arn" {
  description = "The firewall, of scope CLOUDFRONT."
  type        = string
  nullable    = false
}

variable "price_class" {
  description = "Where CloudFront answers: PriceClass_100 (Europe, North America), _200, _All."
  type        = string
  default     = "PriceClass_100"
  nullable    = false

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class must be PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket destroys what is in it."
  type        = bool
  nullable    = false
}
