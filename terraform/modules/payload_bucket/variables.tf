variable "name" {
  description = "Name of the bucket: unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.name))
    error_message = "S3 takes 3 to 63 lower-case letters, digits, hyphens and dots as a bucket's name."
  }
}

variable "retention_days" {
  description = "How long a finished job can be read (QUARRY_JOB__RETENTION_DAYS); objects outlast it, and the longest deadline before it."
  type        = number
  default     = 14

  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 365
    error_message = "The services keep finished jobs 1 to 365 days (QUARRY_JOB__RETENTION_DAYS)."
  }
}

variable "versioning" {
  description = "Whether a deleted object can be had back, for `old_versions_days`."
  type        = bool
  default     = false
}

variable "old_versions_days" {
  description = "How long what was deleted or replaced is kept, where there is versioning."
  type        = number
  default     = 7

  validation {
    condition     = var.old_versions_days >= 1
    error_message = "S3 counts in whole days, from 1."
  }
}

variable "deletion_protection" {
  description = "Whether a bucket that holds objects refuses to be deleted."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "KMS key that encrypts the objects; without it, S3's own."
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
