variable "name" {
  description = "Prefix of the names: the service is NAME-worker."
  type        = string
}

variable "image" {
  description = "The worker's image, with a tag or, better, a digest."
  type        = string

  validation {
    condition     = can(regex("(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "The image names neither a tag nor a digest, or `latest`: what runs would change without a deployment, and could not be rolled back."
  }
}

variable "cluster_arn" {
  description = "ARN of the ECS cluster, which needs the capacity providers FARGATE and FARGATE_SPOT, and Container Insights."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks, in several zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "No subnet: the workers' tasks would have no place to run in."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses: needed in public subnets without endpoints or NAT."
  type        = bool
  default     = false
}

variable "metrics_readers" {
  description = "Who may read the metrics port: a name for each, and its security group."
  type        = map(string)
  default     = {}

  # EC2 takes no other characters in a rule's description, and no more than 255.
  validation {
    condition     = alltrue([for name in keys(var.metrics_readers) : can(regex("^[A-Za-z0-9 ._-]{1,100}$", name))])
    error_message = "A name of who reads metrics has 1 to 100 letters, digits, spaces, dots, hyphens and underscores: it goes into the description of a rule."
  }
}

variable "task_role_arn" {
  description = "Role of the worker itself (module roles)."
  type        = string
}

variable "execution_role_arn" {
  description = "Role by which ECS fetches image and secrets, and writes the log (module roles)."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the worker."
  type        = string
}

variable "settings" {
  description = "Settings of the worker by their variables (docs/reference/settings.md); no secrets, which the state would hold."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Variables whose values lie in Secrets Manager: ARN of the secret, or ARN:KEY:: for one key of a JSON object."
  type        = map(string)
  default     = {}
}

variable "slots" {
  description = "Jobs in flight per task."
  type        = number
  default     = 100

  validation {
    condition     = var.slots >= 1 && var.slots <= 2000
    error_message = "A worker has 1 to 2000 slots (QUARRY_WORKER__SLOTS)."
  }
}

variable "drain_seconds" {
  description = "Time that a task which has to go gives the calls under way; the rest is handed back."
  type        = number
  default     = 110

  validation {
    condition     = var.drain_seconds >= 1 && var.drain_seconds < var.stop_timeout_seconds
    error_message = "The drain (${var.drain_seconds} s) must end before ECS kills the task (stop timeout ${var.stop_timeout_seconds} s): calls that are cut are paid for and their answers lost."
  }
}

variable "stop_timeout_seconds" {
  description = "When ECS kills a task that it has asked to stop."
  type        = number
  default     = 120

  validation {
    condition     = var.stop_timeout_seconds >= 2 && var.stop_timeout_seconds <= 120
    error_message = "Fargate waits 2 to 120 s before it kills a task."
  }
}
