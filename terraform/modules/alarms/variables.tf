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

variable "topic_arn" {
  description = "The topic that hears of every alarm."
  type        = string
  nullable    = false
}

variable "runbook_base_url" {
  description = "Where the runbooks' pages are, without a slash at the end."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^https://.*[^/]$", var.runbook_base_url))
    error_message = "runbook_base_url must be an https URL without a slash at the end."
  }
}

variable "definitions" {
  description = "observability/alarms.json, decoded: its README says what each part means."
  type = object({
    log_metrics = map(object({ of = string, pattern = string, value = string, unit = string }))
    alarms = map(object({
      severity = string
      summary  = string
      cloudwatch = optional(object({
        namespace  = string
        metric     = string
        dimension  = optional(string)
        of         = optional(string)
        statistic  = string
        period     = number
        periods    = number
        threshold  = number
        comparison = string
        missing    = string
      }))
    }))
  })
  nullable = false

  validation {
    condition     = alltrue([for alarm in values(var.definitions.alarms) : contains(["page", "ticket"], alarm.severity)])
    error_message = "definitions: severity must be page or ticket."
  }

  validation {
    condition = alltrue([for alarm in values(var.definitions.alarms) :
    alarm.cloudwatch == null || try((alarm.cloudwatch.of == null) == (alarm.cloudwatch.dimension == null), false)])
    error_message = "definitions: an alarm needs both dimension and of, or neither."
  }

  validation {
    condition = alltrue([for alarm in values(var.definitions.alarms) :
    alarm.cloudwatch == null || can(regex("^(Sum|Average|Minimum|Maximum|SampleCount|p[0-9]{1,2}(\\.[0-9]+)?)$", alarm.cloudwatch.statistic))])
    error_message = "definitions: statistic must be Sum, Average, Minimum, Maximum, SampleCount or a percentile such as p99."
  }
}

variable "resources" {
  description = "What definitions can be about: by kind, each resource's name and the value of its dimension."
  type = object({
    queues             = map(string)
    dead_letter_queues = map(string)
    functions          = map(string)
    auth_function      = map(string)
    load_balancers     = map(string)
    certificates       = map(string)
    workgroups         = map(string)
  })
  nullable = false
}

variable "log_groups" {
  description = "Where each process logs, by its name."
  type        = map(string)
  nullable    = false
}

variable "web" {
  description = "What web's load balancer and target group are called in metrics."
  type        = object({ balancer = string, target_group = string })
  nullable    = false
}

variable "api_id" {
  description = "The HTTP API."
  type        = string
  nullable    = false
}

variable "database" {
  description = "The database cluster, and how many connections are too many."
  type        = object({ cluster_identifier = string, connections = number })
  nullable    = false
}
