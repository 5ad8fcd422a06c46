variable "name" {
  description = "Name of the normal lane's queue; the others are NAME-high and NAME-low, the dead-letter queue NAME-dlq."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,70}$", var.name))
    error_message = "The services take 1 to 70 letters, digits, hyphens and underscores as a queue's name (QUARRY_QUEUE__NAME)."
  }
}

variable "lease_seconds" {
  description = "How long a worker's claim lasts unless renewed; the queues' visibility timeout is derived from it."
  type        = number
  default     = 60

  validation {
    condition     = var.lease_seconds >= 10 && var.lease_seconds <= 600
    error_message = "A lease lasts 10 to 600 s: a shorter one loses the job at a pause, a longer one lets the jobs of a dead worker wait."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the messages; without it, SQS's own."
  type        = string
  default     = null
}

variable "require_tls" {
  description = "Refuse requests without TLS. False only for an emulated AWS, which speaks http and enforces the policy."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
