variable "load_balancer_name" {
  description = "The load balancer's name, as the Ingress asks for it (at most 32 characters)."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,30}[a-z0-9]$", var.load_balancer_name)) && !startswith(var.load_balancer_name, "internal-")
    error_message = "load_balancer_name must be 2 to 32 lower-case letters, digits and hyphens and must not begin with internal-."
  }
}

variable "host" {
  description = "The services' name, such as services.cloudapp.example.com."
  type        = string
  nullable    = false
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
  nullable    = false
}

variable "client_security_group_ids" {
  description = "Groups that may call, by what they belong to."
  type        = map(string)
  nullable    = false
}

variable "client_cidrs" {
  description = "Addresses that may call: the machines'."
  type        = list(string)
  nullable    = false
}

variable "pod_security_group_id" {
  description = "The pods' group."
  type        = string
  nullable    = false
}

variable "pod_port" {
  description = "Where pods listen."
  type        = number
  default     = 8080
  nullable    = false
}

variable "balancer_exists" {
  description = "Whether the controller has made the load balancer already."
  type        = bool
  nullable    = false
}
