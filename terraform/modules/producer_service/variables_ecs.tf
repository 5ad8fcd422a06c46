# What matters to tasks behind a load balancer.

variable "cluster_arn" {
  description = "ARN of the ECS cluster."
  type        = string
  default     = null
}

variable "cluster_name" {
  description = "Name of that cluster."
  type        = string
  default     = null
}

variable "execution_role_arn" {
  description = "Role by which ECS fetches image and secrets, and writes the log (module roles)."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "The VPC of the subnets."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
  default     = []
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in two zones at least: public ones, unless it is internal."
  type        = list(string)
  default     = []
}

variable "internal" {
  description = "Whether the load balancer has no public address."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "Addresses that may call the API."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Ranges of addresses are written as 203.0.113.0/24; without any, nobody could call the API."
  }
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses: needed in public subnets without endpoints or NAT."
  type        = bool
  default     = false
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the name under which callers reach the API."
  type        = string
  default     = null
}

variable "require_tls" {
  description = "Whether callers must use https. False only for an emulated AWS."
  type        = bool
  default     = true
}

variable "requests_per_five_minutes_per_address" {
  description = "Requests of one address in five minutes; more are answered with 429. A long-poll is one."
  type        = number
  default     = 3000

  validation {
    condition     = var.requests_per_five_minutes_per_address >= 100
    error_message = "WAF counts up late: a bound below 100 refuses callers who do nothing wrong."
  }
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

variable "deployment_alarm_names" {
  description = "CloudWatch alarms that roll a deployment back; they must exist."
  type        = list(string)
  default     = []
}

variable "deletion_protection" {
  description = "Whether the load balancer, and a bucket that holds access logs, refuse to be deleted."
  type        = bool
  default     = true
}

variable "collector" {
  description = "A container beside it that takes traces on port 4318 of the task, and hands them on; null: tracing is off. ECS only."
  type = object({
    image       = string
    command     = optional(list(string))
    environment = optional(map(string), {})
    secrets     = optional(map(string), {})
    user        = optional(string)
    cpu         = optional(number)
    memory_mib  = optional(number)
  })
  default = null
}
