variable "name" {
  description = "Input `name` of the module."
  type        = string
  default     = "quarry"
}

variable "cluster_arn" {
  description = "The ECS cluster."
  type        = string
}

variable "task_definition_arn" {
  description = "Revision of the API's task definition to run: the module's output `producer_task_definition_arn`."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the tasks."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the tasks."
  type        = list(string)
}

variable "listener_arn" {
  description = "Listener (HTTPS) that callers reach."
  type        = string
}

variable "test_listener_arn" {
  description = "Listener of the same load balancer, on another port, that the smoke test reaches and callers do not."
  type        = string
}

variable "smoke_function_arn" {
  description = "Function that submits a job through the test listener and answers `{\"hookStatus\": \"SUCCEEDED\"}` or `FAILED`."
  type        = string
}

variable "alarm_names" {
  description = "Alarms by which a deployment is rolled back: `api-errors` and `api-faults` of the module's output `alarm_names`."
  type        = list(string)
}

variable "bake_minutes" {
  description = "How long the old tasks stay after callers were led to the new ones."
  type        = number
  default     = 10
}

variable "min_tasks" {
  description = "Tasks at the beginning; a scaling policy has it then."
  type        = number
  default     = 2
}

variable "port" {
  description = "Port on which the API listens in its container."
  type        = number
  default     = 8000
}
