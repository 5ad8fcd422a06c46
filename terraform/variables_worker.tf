# How the workers work. How many there are: variables_scaling.tf.

variable "slots" {
  description = "Jobs in flight per worker."
  type        = number
  default     = 100
}

variable "lease_seconds" {
  description = "How long a worker's claim lasts unless renewed; the queues' visibility timeout is derived from it."
  type        = number
  default     = 60
}

variable "drain_seconds" {
  description = "Time that a worker which has to go gives the calls under way; the rest is handed back. Below `stop_timeout_seconds`."
  type        = number
  default     = 110
}

variable "stop_timeout_seconds" {
  description = "When ECS kills a worker that it has asked to stop: at most 120 s on Fargate."
  type        = number
  default     = 120
}

variable "worker_cpu" {
  description = "CPU units of a worker; 1024 are one processor, of which it uses one at most."
  type        = number
  default     = 1024
}

variable "worker_memory_mib" {
  description = "Memory of a worker. The content that may be in flight follows from it."
  type        = number
  default     = 2048
}

variable "architecture" {
  description = "X86_64 or ARM64, as the images are built."
  type        = string
  default     = "X86_64"
}

variable "on_demand_base" {
  description = "Workers that always run on Fargate proper, which is not taken away."
  type        = number
  default     = 1
}

variable "on_demand_weight" {
  description = "Share of the other workers that run on Fargate proper."
  type        = number
  default     = 1
}

variable "spot_weight" {
  description = "Share of the other workers that run on Fargate Spot: cheaper, and taken away two minutes after a warning."
  type        = number
  default     = 0
}

variable "worker_settings" {
  description = "Settings of the workers alone, as `settings`."
  type        = map(string)
  default     = {}

  validation {
    condition     = var.environment == "local" || alltrue([for name in keys(var.worker_settings) : !can(regex(local.secret_names, name))])
    error_message = "A setting is a secret: whoever reads the state or the task definition would have it. Name it in `worker_secrets`."
  }

  validation {
    condition     = length(setintersection(keys(var.worker_settings), local.settings_with_inputs)) == 0
    error_message = "A setting has an input of its own, from which more follows than the variable: ${join(", ", setintersection(keys(var.worker_settings), local.settings_with_inputs))}."
  }
}

variable "worker_secrets" {
  description = "Variables of the workers whose values lie in Secrets Manager: ARN of the secret, or ARN:KEY:: for one key of a JSON object."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.worker_secrets) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", arn))])
    error_message = "A secret is named by its ARN, never by its value: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX."
  }
}

variable "provider_secret_arns" {
  description = "Secrets that the routes file names (`api_key_secret`), and that the workers read themselves."
  type        = list(string)
  default     = []
}

variable "secret_key_arns" {
  description = "KMS keys of secrets that are encrypted under keys of their own, neither AWS's nor `kms_key_arn`: who reads the secrets may decrypt with these, through Secrets Manager."
  type        = list(string)
  default     = []
}

variable "guardrail_arns" {
  description = "Guardrails of Bedrock that submissions may name."
  type        = list(string)
  default     = []
}

variable "endpoint_arns" {
  description = "SageMaker endpoints that the routes name."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.endpoint_arns) == 0 || local.internet
    error_message = "This network has no way to SageMaker. Give `network`, one with a way to the internet, or with an interface endpoint of SageMaker and without `internet = false`."
  }
}
