variable "name" {
  description = "The prefix of all names, and what machines are marked with. Each installation in an account, of whatever region, has another one: roles and buckets are named account-wide, and an installation ends machines marked with its name that it does not know. It cannot be changed later."
  type        = string
  default     = "cloudapp"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 16 lower-case letters, digits and hyphens: load balancers' and buckets' names are made of it."
  }
}

variable "domain" {
  description = "Where people find CloudApp, such as cloudapp.example.com. services.DOMAIN and origin.DOMAIN are used as well."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]+$", var.domain))
    error_message = "domain must be a host name such as cloudapp.example.com, in lower case, without https://."
  }
}

variable "zone_id" {
  description = "The public Route 53 zone that holds the domain."
  type        = string
  nullable    = false
}

variable "protected" {
  description = "Refuse to delete data: database, user pool, load balancer, buckets, images; keep a last snapshot. Set it to false, apply, and only then destroy."
  type        = bool
  nullable    = false
}

variable "services_balancer_exists" {
  description = "Whether the chart's Ingress has made the internal load balancer: false at the first apply, true afterwards."
  type        = bool
  nullable    = false
}

variable "network" {
  description = "The VPC: a /16, three zones, NAT gateways per_zone or single."
  type = object({
    cidr  = optional(string, "10.40.0.0/16")
    zones = list(string)
    nat   = optional(string, "per_zone")
  })
  nullable = false
}

variable "database" {
  description = "Aurora: capacity in units of 2 GiB, instances in different zones, days of backups, and how many connections are too many."
  type = object({
    engine_version        = optional(string, "16.8")
    engine_family         = optional(string, "aurora-postgresql16")
    capacity              = object({ min = number, max = number })
    instances             = number
    backup_retention_days = optional(number, 14)
    alarm_connections     = optional(number, 150)
  })
  nullable = false
}

variable "cluster" {
  description = "EKS: its version, from where its API can be reached, and who administers it."
  type = object({
    kubernetes_version   = optional(string, "1.35")
    api_cidrs            = optional(list(string), [])
    admin_principal_arns = map(string)
  })
  nullable = false
}

variable "machines" {
  description = "What may be launched: types, image owners, largest volume, roles for instance profiles; from where SSH comes; public or private addresses."
  type = object({
    access                     = optional(string, "public")
    ssh_cidrs                  = set(string)
    instance_types             = list(string)
    image_owners               = optional(list(string), ["amazon"])
    largest_volume_gib         = optional(number, 500)
    profile_role_arns          = optional(list(string), [])
    further_security_group_ids = optional(list(string), [])
  })
  nullable = false
}

variable "collector" {
  description = "Run the chart's collector of metrics and traces, and have web send its traces there."
  type        = bool
  default     = true
  nullable    = false
}

variable "web" {
  description = "The web tier: the image's tag, the size and number of tasks, further settings."
  type = object({
    image_tag           = string
    cpu                 = optional(number, 256)
    memory_mib          = optional(number, 512)
    tasks               = optional(object({ min = number, max = number }), { min = 2, max = 6 })
    environment         = optional(map(string), {})
    session_key_version = optional(number, 1)
  })
  nullable = false
}

variable "lambda_packages" {
  description = "Paths of the Lambdas' zips: auth, login-poller, stop-ec2."
  type        = map(string)
  nullable    = false

  validation {
    condition     = toset(keys(var.lambda_packages)) == toset(["auth", "login-poller", "stop-ec2"])
    error_message = "lambda_packages must name exactly auth, login-poller and stop-ec2."
  }
}

variable "lambda_concurrency" {
  description = "Executions of each Lambda at the same time at most; -1 shares the account's. New accounts have ten for all."
  type        = number
  default     = -1
  nullable    = false
}

variable "api_throttle" {
  description = "Requests per second to each route of the API, and how many more may come at once."
  type        = object({ per_second = number, burst = number })
  default     = { per_second = 100, burst = 200 }
  nullable    = false
}

variable "requests_per_five_minutes" {
  description = "More than this from one address in five minutes is answered with 429. An office behind one address needs more."
  type        = number
  default     = 3000
  nullable    = false
}

variable "price_class" {
  description = "Where CloudFront answers: PriceClass_100 (Europe, North America), _200, _All."
  type        = string
  default     = "PriceClass_100"
  nullable    = false
}

variable "admin_mail" {
  description = "Addresses that get the admins' notices, alarms and budget warnings; AWS asks each to confirm."
  type        = set(string)
  nullable    = false
}

variable "monthly_usd" {
  description = "The account's monthly budget, US dollars."
  type        = number
  nullable    = false
}

variable "log_retention_days" {
  description = "How long logs are kept, days: one of CloudWatch's own steps."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be one of CloudWatch's steps of at least 30: 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, …"
  }
}

variable "runbook_base_url" {
  description = "Where the pages of docs/runbooks can be read, without a slash at the end."
  type        = string
  nullable    = false
}

variable "alarms" {
  description = "observability/alarms.json, decoded; modules/alarms checks it."
  type        = any
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "A permissions boundary for all roles, if the account demands one."
  type        = string
  default     = null
}
