variable "name" {
  description = "Prefix of the names: the policies are NAME-worker-…."
  type        = string
}

variable "cluster_name" {
  description = "Name of the ECS cluster, which needs Container Insights: it counts the tasks."
  type        = string
}

variable "service_name" {
  description = "Name of the ECS service (module worker_service)."
  type        = string
}

variable "queue_names" {
  description = "Names of the lanes' queues, of which work is counted: `high`, `normal`, `low`."
  type        = map(string)
}

variable "namespace" {
  description = "CloudWatch namespace in which the workers say how many slots they use (`QUARRY_EMF__NAMESPACE`); null where they do not: then all that SQS hides counts as being worked, put-off jobs included."
  type        = string
  default     = null
}

variable "slots_per_task" {
  description = "Jobs in flight per task."
  type        = number

  validation {
    condition     = var.slots_per_task >= 1
    error_message = "A task without a slot works nothing."
  }
}

variable "typical_job_seconds" {
  description = "How long a model usually takes for one of your jobs."
  type        = number
  default     = 20

  validation {
    condition     = var.typical_job_seconds > 0
    error_message = "A job takes some time: the tasks are computed from it."
  }
}

variable "acceptable_latency_seconds" {
  description = "How long a job may wait for a worker before there should be more of them."
  type        = number
  default     = 60

  validation {
    condition     = var.acceptable_latency_seconds >= 0
    error_message = "A latency cannot be negative."
  }
}

variable "min_tasks" {
  description = "Tasks that there are always; 0: none while there is no work. By default 1, and 2 with `thresholds`."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.min_tasks, 0) >= 0
    error_message = "There cannot be fewer than no tasks."
  }
}

variable "max_tasks" {
  description = "Tasks that there are at most: a bound on what is spent. By default 10, and 20 with `thresholds`."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.max_tasks, 1) >= 1
    error_message = "A ceiling of no tasks lets nothing be worked."
  }
}

variable "quota" {
  description = "What the models grant all workers together, above which more of them are paid for nothing: `requests_per_minute`; `tokens_per_minute`, with `tokens_per_job`, what one usually takes of it."
  type = object({
    requests_per_minute = optional(number)
    tokens_per_minute   = optional(number)
    tokens_per_job      = optional(number)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for limit in values(var.quota) : try(limit > 0, limit == null)])
    error_message = "A quota of nothing feeds nobody: leave out what you do not know."
  }
  validation {
    condition     = (var.quota.tokens_per_minute == null) == (var.quota.tokens_per_job == null)
    error_message = "Of `tokens_per_minute` and `tokens_per_job`, each is of use only with the other."
  }
}

variable "schedules" {
  description = "Other floors and ceilings from certain times on, by a name each: `schedule` (cron, rate or at), `timezone`, `min_tasks`, `max_tasks`."
  type = map(object({
    schedule  = string
    timezone  = optional(string, "Etc/UTC")
    min_tasks = number
    max_tasks = optional(number)
  }))
  default = {}

  validation {
    condition     = alltrue([for each in var.schedules : can(regex("^(cron|rate|at)\\(.+\\)$", each.schedule))])
    error_message = "A schedule is cron(MINUTES HOURS DAY MONTH WEEKDAY YEAR), rate(NUMBER UNIT) or at(yyyy-mm-ddThh:mm:ss)."
  }
  validation {
    condition     = alltrue([for each in var.schedules : each.min_tasks >= 0])
    error_message = "A schedule's floor cannot be fewer than no tasks."
  }
}

variable "follow_backlog" {
  description = "Whether the work per task is followed. False only where `thresholds` alone should decide."
  type        = bool
  default     = true
}

variable "thresholds" {
  description = "Policies by thresholds besides, or instead: `signals` of requests, cpu, queue, response; where one is passed for three minutes, there are `out_factor` times as many tasks. `{}` is all of them, as they are by default."
  type = object({
    signals             = optional(set(string), ["requests", "cpu", "queue", "response"])
    requests_per_minute = optional(number, 1000)
    cpu_percent         = optional(number, 80)
    queue_length        = optional(number, 50)
    response_seconds    = optional(number, 5)
    out_factor          = optional(number, 1.5)
    in_factor           = optional(number, 0.7)
    cooldown_seconds    = optional(number, 300)
  })
  default = null

  validation {
    condition = try(
      length(var.thresholds.signals) > 0 && length(setsubtract(var.thresholds.signals, ["requests", "cpu", "queue", "response"])) == 0,
      var.thresholds == null,
    )
    error_message = "The signals are requests, cpu, queue and response, and at least one of them."
  }
  validation {
    condition = try(alltrue([
      for name in ["requests_per_minute", "cpu_percent", "queue_length", "response_seconds"] : var.thresholds[name] > 0
    ]), var.thresholds == null)
    error_message = "A threshold is above 0: it is what a signal is divided by."
  }
  validation {
    condition     = try(var.thresholds.out_factor > 1 && var.thresholds.in_factor < 1 && var.thresholds.in_factor > 0, var.thresholds == null)
    error_message = "Out is a factor above 1, in one between 0 and 1."
  }
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
