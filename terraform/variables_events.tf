variable "webhooks" {
  description = "Whether submissions may name a URL to be told at. Workers then open connections to hosts that callers choose (docs/howto/webhooks.md)."
  type        = bool
  default     = false

  validation {
    condition     = !var.webhooks || local.internet
    error_message = "This network has no way out: no webhook would arrive. Give `network`, one with a way to the internet and without `internet = false`."
  }
}

variable "event_topic_arn" {
  description = "SNS topic that every job's end is published to, without content. A network without a way out needs an endpoint of SNS."
  type        = string
  default     = null
}

variable "event_bus_arn" {
  description = "EventBridge event bus that every job's end is put on, without content. A network without a way out needs an endpoint of EventBridge."
  type        = string
  default     = null
}
