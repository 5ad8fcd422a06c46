variable "name" {
  description = "What the names begin with."
  type        = string
}

variable "log_retention_days" {
  description = "How long logs are kept; CloudWatch knows certain numbers only."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch keeps logs 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 or some more days, and no number between."
  }
}

variable "alarm_emails" {
  description = "Addresses that are told of alarms; each has to confirm once."
  type        = set(string)
  default     = []
}

variable "runbooks_url" {
  description = "Where the runbooks are: an alarm's description ends in RUNBOOKS_URL/PAGE.md."
  type        = string
  default     = "https://github.com/bedrock-quarry/quarry/blob/main/docs/runbooks"
}

variable "queue_names" {
  description = "Names of the lanes' queues: `high`, `normal`, `low`."
  type        = map(string)
}

variable "dead_letter_queue_name" {
  description = "Name of the dead-letter queue."
  type        = string
}

variable "webhook_queue_names" {
  description = "Names of the queue of reminders and of its dead-letter queue; null where nobody is told of jobs' ends."
  type = object({
    queue       = string
    dead_letter = string
  })
  default = null
}

variable "table_name" {
  description = "Name of the job table."
  type        = string
}

variable "cluster_name" {
  description = "Name of the ECS cluster."
  type        = string
}

variable "worker_service_name" {
  description = "Name of the workers' ECS service."
  type        = string
}

variable "min_workers" {
  description = "How many workers there should be always; 0: none may be missing."
  type        = number
}

variable "late_seconds" {
  description = "From which age of its oldest job on a lane is late."
  type        = map(number)
  default     = { high = 300, normal = 3600, low = 21600 }

  validation {
    condition     = length(setsubtract(keys(var.late_seconds), ["high", "normal", "low"])) == 0
    error_message = "The lanes are high, normal and low."
  }
}

variable "api_errors" {
  description = "The metric that counts the API's own errors (module producer_service)."
  type = object({
    namespace  = string
    metric     = string
    dimensions = map(string)
  })
}

variable "api_load_balancer" {
  description = "What CloudWatch calls the API's load balancer and its target group (module producer_service); null where there is none."
  type = object({
    name         = string
    target_group = string
  })
  default = null
}

variable "api_errors_in_five_minutes" {
  description = "How many errors, of the API or of its load balancer, in five minutes are not worth an alarm."
  type        = number
  default     = 10
}

variable "measured" {
  description = "Whether the processes write what they measure into their logs, for CloudWatch; then there are a dashboard and alarms of it."
  type        = bool
  default     = true
}

variable "slow_call_seconds" {
  description = "From which time on a model call is slow: it is worth an alarm where a tenth of them is."
  type        = number
  default     = 60

  validation {
    condition     = var.slow_call_seconds > 0
    error_message = "No call takes less than no time."
  }
}

variable "failed_calls_percent" {
  description = "How many of a hundred model calls may fail, throttles aside, before it is worth an alarm."
  type        = number
  default     = 5

  validation {
    condition     = var.failed_calls_percent >= 0 && var.failed_calls_percent < 100
    error_message = "A share is from 0 to below 100."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts logs and topic, and whose policy lets CloudWatch use it; without it, their own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
