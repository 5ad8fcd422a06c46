variable "name" {
  description = "Prefix of the names: everything is called NAME-producer."
  type        = string
}

variable "runs_on" {
  description = "`ecs`: tasks behind a load balancer; `lambda`: a function behind an HTTP API, for few requests."
  type        = string

  validation {
    condition     = contains(["ecs", "lambda"], var.runs_on)
    error_message = "The API runs on `ecs` (tasks behind a load balancer) or on `lambda` (a function behind an HTTP API)."
  }
}

variable "image" {
  description = "The image, with a tag or, better, a digest: quarry-producer for ECS, quarry-producer-lambda for Lambda."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "The image names neither a tag nor a digest, or `latest`: what runs would change without a deployment, and could not be rolled back."
  }
}

variable "role_arn" {
  description = "Role of the producer itself (module roles)."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the producer."
  type        = string
}

variable "settings" {
  description = "Settings of the producer by their variables (docs/reference/settings.md); no secrets, which the state would hold."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Variables whose values lie in Secrets Manager: ARN of the secret, or ARN:KEY:: for one key of a JSON object. ECS only."
  type        = map(string)
  default     = {}
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one processor. ECS only."
  type        = number
  default     = 512

  validation {
    condition     = contains([256, 512, 1024], var.cpu)
    error_message = "Fargate has tasks of 256, 512 and 1024 CPU units; a process of the API uses one processor at most."
  }
}

variable "memory_mib" {
  description = "Memory of a task, or of the function. How much of bodies may be served at a time follows from it."
  type        = number
  default     = 1024

  validation {
    condition = var.runs_on == "lambda" || (
      var.memory_mib >= 2 * var.cpu && var.memory_mib <= 8 * var.cpu && (var.memory_mib == 512 || var.memory_mib % 1024 == 0)
    )
    error_message = "Fargate gives a task of ${var.cpu} CPU units ${2 * var.cpu} to ${8 * var.cpu} MiB, in steps of 1024."
  }

  validation {
    condition     = var.runs_on != "lambda" || var.memory_mib >= 512 && var.memory_mib <= 10240
    error_message = "Lambda gives a function 10240 MiB at most, and the API needs 512."
  }
}

variable "architecture" {
  description = "X86_64 or ARM64, as the image is built."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "Fargate and Lambda have X86_64 and ARM64."
  }
}

variable "min_tasks" {
  description = "Tasks that there are always. ECS only."
  type        = number
  default     = 2

  validation {
    condition     = var.min_tasks >= 1
    error_message = "Without a task nobody answers."
  }
}

variable "max_tasks" {
  description = "Tasks that there are at most; of a function, requests at a time, which are reserved of the account's; null: none are."
  type        = number
  default     = 10

  validation {
    condition     = var.runs_on != "ecs" || try(var.max_tasks >= var.min_tasks, false)
    error_message = "The ceiling (${coalesce(var.max_tasks, 0)} tasks of the API) is below the floor (${var.min_tasks})."
  }
}

variable "access_log_days" {
  description = "How long the log of requests is kept."
  type        = number
  default     = 90
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
