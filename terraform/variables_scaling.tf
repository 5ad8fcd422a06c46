# How many workers there are (module autoscaling).

variable "min_tasks" {
  description = "Workers that there are always; 0: none while there is no work. By default 1, and 2 with `thresholds`."
  type        = number
  default     = null
}

variable "max_tasks" {
  description = "Workers that there are at most: a bound on what is spent. By default 10, and 20 with `thresholds`."
  type        = number
  default     = null
}

variable "typical_job_seconds" {
  description = "How long a model usually takes for one of your jobs."
  type        = number
  default     = 20
}

variable "acceptable_latency_seconds" {
  description = "How long a job may wait for a worker before there should be more of them."
  type        = number
  default     = 60
}

variable "quota" {
  description = "What the models grant all workers together, above which more of them are paid for nothing: `requests_per_minute`; `tokens_per_minute`, with `tokens_per_job`, what one usually takes of it."
  type = object({
    requests_per_minute = optional(number)
    tokens_per_minute   = optional(number)
    tokens_per_job      = optional(number)
  })
  default = {}
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
}

variable "follow_backlog" {
  description = "Whether the work per worker is followed. False only where `thresholds` alone should decide."
  type        = bool
  default     = true
}

variable "thresholds" {
  description = "Policies by thresholds besides, or instead: `signals` of requests, cpu, queue, response; where one is passed for three minutes, there are `out_factor` times as many workers. `{}` is all of them, as they are by default."
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
}
