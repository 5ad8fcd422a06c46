variable "name" {
  description = "Name of vault and plan."
  type        = string
}

variable "resource_arns" {
  description = "What is backed up: ARNs of the table, and of the bucket where it keeps versions."
  type        = list(string)

  validation {
    condition     = length(var.resource_arns) > 0
    error_message = "Nothing is named that should be backed up."
  }
}

variable "keep_days" {
  description = "How long a copy is kept."
  type        = number
  default     = 35

  validation {
    condition     = var.keep_days >= 1
    error_message = "A copy is kept a day at least."
  }
}

variable "schedule" {
  description = "When a copy is made: a cron expression of AWS, in UTC."
  type        = string
  default     = "cron(0 3 * * ? *)"
}

variable "deletion_protection" {
  description = "Whether a vault that holds copies refuses to be deleted."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the copies; without it, AWS Backup's own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
