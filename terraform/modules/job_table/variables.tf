variable "name" {
  description = "Name of the table."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_.-]{3,255}$", var.name))
    error_message = "DynamoDB takes 3 to 255 letters, digits, hyphens, underscores and dots as a table's name."
  }
}

variable "point_in_time_recovery" {
  description = "Whether the table can be restored to any second of the last 35 days."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted; a `terraform destroy` then needs one apply with false before it."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the table; without it, DynamoDB's own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
