variable "region" {
  description = "The AWS region."
  type        = string
  nullable    = false
}

variable "zones" {
  description = "Three of its availability zones."
  type        = list(string)
  nullable    = false
}

variable "domain" {
  description = "Where people find CloudApp, such as cloudapp.example.com."
  type        = string
  nullable    = false
}

variable "zone_id" {
  description = "The public Route 53 zone that holds the domain."
  type        = string
  nullable    = false
}

variable "image_tag" {
  description = "The version of web's image."
  type        = string
  nullable    = false
}

variable "lambda_folder" {
  description = "The folder with auth.zip, login-poller.zip and stop-ec2.zip."
  type        = string
  nullable    = false
}

variable "alarms_file" {
  description = "The list of alarms: observability/alarms.json."
  type        = string
  nullable    = false
}

variable "runbook_base_url" {
  description = "Where the pages of docs/runbooks can be read."
  type        = string
  nullable    = false
}

variable "cluster_admins" {
  description = "Roles that administer the Kubernetes cluster (install the chart), by a name of yours."
  type        = map(string)
  nullable    = false
}

variable "api_cidrs" {
  description = "Addresses from which the Kubernetes API can be reached; empty: from the VPC only."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "ssh_cidrs" {
  description = "Where users' SSH comes from."
  type        = set(string)
  nullable    = false
}

variable "admin_mail" {
  description = "Addresses that get notices, alarms and budget warnings."
  type        = set(string)
  nullable    = false
}

variable "monthly_usd" {
  description = "The account's monthly budget, US dollars."
  type        = number
  nullable    = false
}

variable "services_balancer_exists" {
  description = "false until the chart's Ingress has made the internal load balancer. deploy/apply sets it."
  type        = bool
  default     = false
  nullable    = false
}

variable "protected" {
  description = "Refuse to delete data. Set it to false and apply before destroying; deploy/destroy does."
  type        = bool
  default     = true
  nullable    = false
}
