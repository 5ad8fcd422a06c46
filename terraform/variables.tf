variable "name" {
  description = "What everything's name begins with."
  type        = string
  default     = "quarry"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name))
    error_message = "1 to 20 lower-case letters, digits and hyphens: the names of load balancer and bucket are made of it."
  }
}

variable "environment" {
  description = "dev, staging or production; local only for an emulated AWS, since nobody then has to say who they are."
  type        = string
  default     = "production"

  validation {
    condition     = contains(["local", "dev", "staging", "production"], var.environment)
    error_message = "The environments are dev, staging, production, and local for an emulated AWS."
  }
}

variable "network" {
  description = "The VPC and its subnets."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    public_subnet_ids  = optional(list(string), [])
  })
}

variable "models" {
  description = "The models that the routes name: `id` of a model or inference profile, or its ARN; `called_from`: regions of the targets (default: this one); `runs_in`: the regions that a profile leads to."
  type = list(object({
    id          = string
    called_from = optional(list(string))
    runs_in     = optional(list(string), [])
  }))

  validation {
    condition     = length(var.models) > 0
    error_message = "No model: the workers may call what is listed here and nothing else, so every job would wait for ever."
  }

  validation {
    condition     = alltrue([for model in var.models : !strcontains(model.id, "*") && !strcontains(model.id, "?")])
    error_message = "A model is a wildcard: whoever gets hold of a worker could then run up a bill on any model. List each one."
  }

  validation {
    condition     = alltrue([for model in var.models : !can(regex("^(us|us-gov|eu|apac|jp|au|ca|global)\\.", model.id)) || length(model.runs_in) > 0])
    error_message = "An inference profile has no `runs_in`: the worker needs its model in each region that the profile leads to (`aws bedrock get-inference-profile` lists them), or calls are refused now and then."
  }
}

variable "worker_image" {
  description = "The worker's image, with a tag or, better, a digest."
  type        = string
}

variable "settings" {
  description = "Settings of both services by their variables (docs/reference/settings.md); no secrets, which the state would hold."
  type        = map(string)
  default     = {}
}

variable "lease_seconds" {
  description = "How long a worker's claim lasts unless renewed; the queues' visibility timeout is derived from it."
  type        = number
  default     = 60
}

variable "retention_days" {
  description = "How long a finished job can be read."
  type        = number
  default     = 14
}

variable "min_tasks" {
  description = "Workers that there are always."
  type        = number
  default     = 1
}

variable "max_tasks" {
  description = "Workers that there are at most: a bound on what is spent."
  type        = number
  default     = 10
}

variable "bucket_name" {
  description = "Name of the bucket, unique in all of AWS; by default NAME-payloads-ACCOUNT-REGION."
  type        = string
  default     = null
}

variable "payload_versioning" {
  description = "Whether a deleted object of the bucket can be had back, for a week."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Whether the table, and a bucket that holds objects, refuse to be deleted. A destroy needs one apply with false before it."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "KMS key that encrypts queues, table, bucket and logs; without it, the services' own keys."
  type        = string
  default     = null
}

variable "require_tls" {
  description = "Refuse requests to queues and bucket without TLS. False only for an emulated AWS, which speaks http and enforces the policy."
  type        = bool
  default     = true
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
