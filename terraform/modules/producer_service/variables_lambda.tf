# What matters to a function.

variable "requests_per_second" {
  description = "Requests a second, of all callers together; twice as many at once."
  type        = number
  default     = 50

  validation {
    condition     = var.requests_per_second >= 1
    error_message = "Fewer than one request a second would serve nobody."
  }
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the function's environment and the log of requests; without it, AWS's own."
  type        = string
  default     = null
}
