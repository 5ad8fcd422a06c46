variable "name" {
  description = "What everything's name begins with."
  type        = string
  default     = "quarry"
}

variable "environment" {
  description = "`dev`, `staging` or `production`."
  type        = string
  default     = "production"
}

variable "worker_image" {
  description = "The worker's image, with a tag or, better, a digest."
  type        = string
}

variable "producer_image" {
  description = "The API's image, with a tag or, better, a digest."
  type        = string
}

variable "runs_on" {
  description = "What the API runs on: `ecs` or `lambda`."
  type        = string
  default     = "ecs"
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the name under which callers reach the API."
  type        = string
  default     = null
}

variable "allowed_cidrs" {
  description = "Addresses that may call the API."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "slots" {
  description = "Jobs in flight per worker."
  type        = number
  default     = 100
}

variable "min_tasks" {
  description = "Workers that there are always."
  type        = number
  default     = 2
}

variable "drain_seconds" {
  description = "Time that a worker which has to go gives the calls under way."
  type        = number
  default     = 110
}

variable "deletion_protection" {
  description = "Whether what holds data refuses to be deleted."
  type        = bool
  default     = true
}

variable "alarm_emails" {
  description = "Addresses that are told of alarms."
  type        = set(string)
  default     = []
}

variable "settings" {
  description = "Settings of both services."
  type        = map(string)
  default     = {}
}

variable "worker_settings" {
  description = "Settings of the workers alone."
  type        = map(string)
  default     = {}
}

variable "producer_settings" {
  description = "Settings of the API alone."
  type        = map(string)
  default     = {}
}

variable "worker_secrets" {
  description = "Variables of the workers whose values lie in Secrets Manager, by the secrets' ARNs."
  type        = map(string)
  default     = {}
}

variable "emulated" {
  description = "Whether AWS_ENDPOINT_URL leads to an emulated AWS: http then does, credentials are not looked up, and errors are soon final."
  type        = bool
  default     = false
}
