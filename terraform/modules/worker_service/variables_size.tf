variable "cpu" {
  description = "CPU units of a task; 1024 are one processor."
  type        = number
  default     = 1024

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "Fargate has tasks of 256, 512, 1024, 2048 and 4096 CPU units; a worker uses one processor at most."
  }
}

variable "memory_mib" {
  description = "Memory of a task. The content that may be in flight follows from it."
  type        = number
  default     = 2048

  validation {
    condition = (
      var.memory_mib >= 2 * var.cpu && var.memory_mib <= min(8 * var.cpu, 30720) && (var.memory_mib == 512 || var.memory_mib % 1024 == 0)
    )
    error_message = "Fargate gives a task of ${var.cpu} CPU units ${2 * var.cpu} to ${min(8 * var.cpu, 30720)} MiB, in steps of 1024."
  }
}

variable "architecture" {
  description = "X86_64 or ARM64, as the image is built."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "Fargate has X86_64 and ARM64."
  }
}

variable "user" {
  description = "Who the process is, as UID:GID."
  type        = string
  default     = "10001:10001"

  validation {
    condition     = can(regex("^[1-9][0-9]*:[0-9]+$", var.user))
    error_message = "A worker needs no root: give a UID:GID above 0."
  }
}

variable "min_tasks" {
  description = "Tasks that a new service starts with; from then on their number is the scaling policies' (module autoscaling)."
  type        = number
  default     = 1

  validation {
    condition     = var.min_tasks >= 0
    error_message = "There cannot be fewer than no tasks."
  }
}

variable "on_demand_base" {
  description = "Tasks that always run on Fargate proper, which is not taken away."
  type        = number
  default     = 1

  validation {
    condition     = var.on_demand_base >= 0
    error_message = "There cannot be fewer than no tasks."
  }
}

variable "on_demand_weight" {
  description = "Share of the other tasks that run on Fargate proper."
  type        = number
  default     = 1

  validation {
    condition     = var.on_demand_weight >= 0 && var.on_demand_weight + var.spot_weight > 0
    error_message = "Both weights are 0: no task could be placed."
  }
}

variable "spot_weight" {
  description = "Share of the other tasks that run on Fargate Spot: cheaper, and taken away two minutes after a warning."
  type        = number
  default     = 0

  validation {
    condition     = var.spot_weight >= 0
    error_message = "A weight cannot be negative."
  }
}

variable "deployment_alarm_names" {
  description = "CloudWatch alarms that roll a deployment back; they must exist."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}
