variable "webhook_queue_arns" {
  description = "ARNs of the queue of reminders and of its dead-letter queue; null where nobody is told of jobs' ends."
  type = object({
    queue       = string
    dead_letter = string
  })
  default = null
}

variable "event_topic_arn" {
  description = "ARN of the SNS topic that every job's end is published to (QUARRY_EVENTS__SNS_TOPIC_ARN)."
  type        = string
  default     = null

  validation {
    condition     = var.event_topic_arn == null || can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.event_topic_arn))
    error_message = "event_topic_arn is the ARN of one topic, without wildcards."
  }
}

variable "event_bus_arn" {
  description = "ARN of the event bus that every job's end is put on (QUARRY_EVENTS__EVENT_BUS_NAME)."
  type        = string
  default     = null

  validation {
    condition     = var.event_bus_arn == null || can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9_./-]+$", var.event_bus_arn))
    error_message = "event_bus_arn is the ARN of one event bus, without wildcards."
  }
}
