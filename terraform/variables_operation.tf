# What is kept, for how long, under which key; and who is told when something is wrong.

variable "retention_days" {
  description = "How long a finished job can be read."
  type        = number
  default     = 14
}

variable "bucket_name" {
  description = "Name of the bucket, unique in all of AWS; by default NAME-payloads-ACCOUNT-REGION."
  type        = string
  default     = null
}

variable "payload_versioning" {
  description = "Whether a deleted object of the bucket can be had back for a week, and the bucket is backed up."
  type        = bool
  default     = false
}

variable "backup_days" {
  description = "How long daily copies of the table are kept, beside point-in-time recovery; 0: none are made."
  type        = number
  default     = 0

  validation {
    condition     = var.backup_days >= 0
    error_message = "Copies cannot be kept for fewer than 0 days."
  }
}

variable "deletion_protection" {
  description = "Whether table and load balancer, and a bucket or vault that holds something, refuse to be deleted. A destroy needs one apply with false before it."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "KMS key that encrypts queues, table, bucket, logs and alarms, and whose policy lets CloudWatch use it (examples/complete); without it, the services' own keys."
  type        = string
  default     = null
}

variable "require_tls" {
  description = "Refuse requests without TLS: to the API, to queues and buckets. False only for an emulated AWS, which speaks http and enforces the policies."
  type        = bool
  default     = true

  validation {
    condition     = var.require_tls || var.environment == "local"
    error_message = "Without TLS anybody on the way reads prompts and keys: that is for an emulated AWS (environment = \"local\") only."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 90
}

variable "alarm_emails" {
  description = "Addresses that are told of alarms; each has to confirm once."
  type        = set(string)
  default     = []
}

variable "cloudwatch_metrics" {
  description = "Whether API and workers write what they measure into their logs, for CloudWatch; then there are a dashboard and alarms of it, and workers are scaled by what they use, not by what SQS hides. Custom metrics cost by the month."
  type        = bool
  default     = true
}

variable "slow_call_seconds" {
  description = "From which time on a model call is slow: it is worth an alarm where a tenth of them is."
  type        = number
  default     = 60
}

variable "failed_calls_percent" {
  description = "How many of a hundred model calls may fail, throttles aside, before it is worth an alarm."
  type        = number
  default     = 5
}

variable "late_seconds" {
  description = "From which age of its oldest job on a lane is late."
  type        = map(number)
  default     = { high = 300, normal = 3600, low = 21600 }
}

variable "runbooks_url" {
  description = "Where the runbooks are: an alarm's description ends in RUNBOOKS_URL/PAGE.md."
  type        = string
  default     = "https://github.com/bedrock-quarry/quarry/blob/main/docs/runbooks"
}

variable "metrics_readers" {
  description = "Who may read the metrics of the tasks (Prometheus): a name for each, and its security group."
  type        = map(string)
  default     = {}
}
