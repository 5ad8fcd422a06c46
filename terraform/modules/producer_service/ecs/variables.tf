variable "name" {
  description = "Name of service, load balancer and all."
  type        = string
}

variable "image" {
  description = "The producer's image (quarry-producer)."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
}

variable "cluster_name" {
  description = "Name of that cluster."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "No subnet: the API's tasks would have no place to run in."
  }
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.load_balancer_subnet_ids) >= 2
    error_message = "A load balancer needs subnets in two zones."
  }
}

variable "allowed_cidrs" {
  description = "Addresses that may call the API."
  type        = list(string)
}

variable "internal" {
  description = "Whether the load balancer has no public address."
  type        = bool
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses."
  type        = bool
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the name under which callers reach the API."
  type        = string
}

variable "require_tls" {
  description = "Whether callers must use https."
  type        = bool
}

variable "deletion_protection" {
  description = "Whether the load balancer, and a bucket that holds access logs, refuse to be deleted."
  type        = bool
}

variable "access_log_days" {
  description = "How long the log of requests is kept."
  type        = number
}

variable "requests_per_five_min" {
  description = "Requests of one address in five minutes; more are answered with 429."
  type        = number
}

variable "metrics_readers" {
  description = "Who may read the metrics port: a name for each, and its security group."
  type        = map(string)
}

variable "task_role_arn" {
  description = "Role of the producer itself (module roles)."
  type        = string
}

variable "execution_role_arn" {
  description = "Role by which ECS fetches image and secrets, and writes the log (module roles)."
  type        = string
}

variable "log_group_name" {
  description = "Log group of the tasks."
  type        = string
}

variable "settings" {
  description = "Settings of the producer by their variables; no secrets."
  type        = map(string)
}

variable "secrets" {
  description = "Variables whose values lie in Secrets Manager."
  type        = map(string)
}

variable "cpu" {
  description = "CPU units of a task; 1024 are one processor."
  type        = number
}

variable "memory_mib" {
  description = "Memory of a task. How much of bodies may be served at a time follows from it."
  type        = number
}

variable "architecture" {
  description = "X86_64 or ARM64, as the image is built."
  type        = string
}

variable "user" {
  description = "Who the process is, as UID:GID."
  type        = string
  default     = "10001:10001"
}

variable "min_tasks" {
  description = "Tasks that there are always."
  type        = number
}

variable "max_tasks" {
  description = "Tasks that there are at most."
  type        = number
}

variable "deployment_alarm_names" {
  description = "CloudWatch alarms that roll a deployment back."
  type        = list(string)
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
}
