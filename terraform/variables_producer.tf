# The API: what it runs on, who may call it, and how much.

variable "runs_on" {
  description = "What the API runs on. `ecs`: tasks behind a load balancer, with WAF; `lambda`: a function behind an HTTP API, for few requests."
  type        = string
  default     = "ecs"

  validation {
    condition     = contains(["ecs", "lambda"], var.runs_on)
    error_message = "The API runs on `ecs` (tasks behind a load balancer) or on `lambda` (a function behind an HTTP API)."
  }
}

variable "authentication" {
  description = "How callers prove who they are: `api_key`, `jwt`, or `api_key,jwt`. By default `api_key`, and nobody has to in `local`."
  type        = string
  default     = null

  validation {
    condition     = var.authentication == null || contains(["api_key", "jwt", "api_key,jwt", "jwt,api_key"], coalesce(var.authentication, "api_key"))
    error_message = "Callers prove who they are by `api_key`, `jwt`, or `api_key,jwt`."
  }

  validation {
    condition     = !strcontains(coalesce(var.authentication, "-"), "jwt") || local.internet || var.runs_on == "lambda"
    error_message = "Tokens are checked with the issuer's keys, which this network has no way to. Give `network`, one with a way to the internet."
  }
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the name under which callers reach the API on ECS."
  type        = string
  default     = null
}

variable "internal" {
  description = "Whether the load balancer is in the private subnets, without a public address."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "Addresses that may call the API on ECS."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "requests_per_five_minutes_per_address" {
  description = "Requests of one address in five minutes, on ECS; more are answered with 429 by WAF."
  type        = number
  default     = 3000
}

variable "requests_per_second" {
  description = "Requests a second of all callers together, on Lambda; twice as many at once."
  type        = number
  default     = 50
}

variable "producer_cpu" {
  description = "CPU units of a task of the API."
  type        = number
  default     = 512
}

variable "producer_memory_mib" {
  description = "Memory of a task of the API, or of the function."
  type        = number
  default     = 1024
}

variable "producer_min_tasks" {
  description = "Tasks of the API that there are always."
  type        = number
  default     = 2
}

variable "producer_max_tasks" {
  description = "Tasks of the API that there are at most; of the function, requests at a time, which are reserved of the account's (AWS keeps 100 unreserved); null: none are."
  type        = number
  default     = 10
}

variable "producer_settings" {
  description = "Settings of the API alone, as `settings`."
  type        = map(string)
  default     = {}

  validation {
    condition     = var.environment == "local" || alltrue([for name in keys(var.producer_settings) : !can(regex(local.secret_names, name))])
    error_message = "A setting is a secret: whoever reads the state or the task definition would have it. Name it in `producer_secrets`."
  }

  validation {
    condition     = length(setintersection(keys(var.producer_settings), local.settings_with_inputs)) == 0
    error_message = "A setting has an input of its own, from which more follows than the variable: ${join(", ", setintersection(keys(var.producer_settings), local.settings_with_inputs))}."
  }
}

variable "producer_secrets" {
  description = "Variables of the API on ECS whose values lie in Secrets Manager: ARN of the secret, or ARN:KEY::."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.producer_secrets) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", arn))])
    error_message = "A secret is named by its ARN, never by its value: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX."
  }
}
