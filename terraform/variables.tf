# What has to be said, or is said first. Workers, API and operation have files of their own.

variable "name" {
  description = "What everything's name begins with."
  type        = string
  default     = "quarry"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}$", var.name)) && !endswith(var.name, "-")
    error_message = "1 to 20 lower-case letters, digits and hyphens, with a letter first: the names of load balancer and bucket are made of it."
  }
}

variable "environment" {
  description = "`dev`, `staging` or `production`; `local` only for an emulated AWS, since nobody then has to say who they are."
  type        = string
  default     = "production"

  validation {
    condition     = contains(["local", "dev", "staging", "production"], var.environment)
    error_message = "The environments are dev, staging, production, and local for an emulated AWS."
  }
}

variable "models" {
  description = "The models that the routes name: `id` of a model or inference profile, or its ARN; `model`: what a profile that is named by its ARN leads to; `called_from`: regions of the targets (default: this one); `runs_in`: the regions that a profile leads to."
  type = list(object({
    id          = string
    model       = optional(string)
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
    condition = alltrue([
      for model in var.models : !can(regex(local.profile, model.id)) || startswith(model.id, "global.") || length(model.runs_in) > 0
    ])
    error_message = "An inference profile has no `runs_in`: the worker needs its model in each region that the profile leads to (`aws bedrock get-inference-profile` lists them), or calls are refused now and then."
  }

  validation {
    condition = alltrue([
      for model in var.models : !can(regex(local.profile_arn, model.id)) || model.model != null && length(model.runs_in) > 0
    ])
    error_message = "An inference profile's ARN comes without its `model` or its `runs_in`, which do not follow from it: the worker needs the model in each region that the profile leads to."
  }

  # A foundation model is VENDOR.MODEL.
  validation {
    condition = alltrue([
      for model in var.models : !can(regex("^[a-z-]+\\.[a-z0-9]+\\.", model.id)) || can(regex(local.profile, model.id))
    ])
    error_message = "A model's id begins with a prefix that this module does not know: it is taken for an inference profile. Name it by its ARN, with `model` and `runs_in`."
  }

  validation {
    condition = local.internet || alltrue([
      for model in var.models : toset(coalesce(model.called_from, [data.aws_region.current.name])) == toset([data.aws_region.current.name])
    ])
    error_message = "A model is called from another region, and this network's endpoints lead to Bedrock in this one only. Give `network`, one with a way to the internet."
  }
}

variable "worker_image" {
  description = "The worker's image (quarry-worker), with a tag or, better, a digest."
  type        = string

  validation {
    condition     = local.internet || var.environment == "local" || can(regex(local.ecr, var.worker_image))
    error_message = "The image is not in ECR, and this network has no way to another registry. Push it to ECR, or give `network`, one with a way to the internet."
  }
}

variable "producer_image" {
  description = "The API's image, with a tag or, better, a digest: quarry-producer for ECS, quarry-producer-lambda for Lambda."
  type        = string

  validation {
    condition     = var.environment == "local" || can(regex(local.ecr, var.producer_image)) || (local.internet && var.runs_on == "ecs")
    error_message = "The image is not in ECR: Lambda takes no other, and this network has no way to another registry. Push it to ECR, or, for ECS, give `network`, one with a way to the internet."
  }
}

variable "network" {
  description = "Where it runs: a VPC with a way to AWS, private subnets for the tasks, and public ones for the load balancer; `internet = false` where tasks reach AWS through endpoints and nothing else. Without it, such a network is made."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    public_subnet_ids  = optional(list(string), [])
    internet           = optional(bool, true)
  })
  default = null

  validation {
    condition     = try(length(var.network.private_subnet_ids) > 0, var.network == null)
    error_message = "No subnet: the tasks would have no place to run in."
  }
}

variable "network_cidr" {
  description = "Range of addresses of a network of its own."
  type        = string
  default     = "10.42.0.0/16"
}

variable "zones" {
  description = "In how many availability zones a network of its own has subnets."
  type        = number
  default     = 2
}

variable "zone_names" {
  description = "Which ones, where not the first by name; then `zones` is not asked."
  type        = list(string)
  default     = null
}

variable "assign_public_ip" {
  description = "Whether tasks have public addresses: needed where `network` has public subnets only. Nothing can call them all the same."
  type        = bool
  default     = false
}

variable "settings" {
  description = "Settings of both services by their variables (docs/reference/settings.md); no secrets, which the state would hold."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.settings) : can(regex("^(QUARRY|AWS|OTEL)_[A-Z0-9_]+$", name))])
    error_message = "Settings are QUARRY_…, AWS_… and OTEL_… variables."
  }

  validation {
    condition     = var.environment == "local" || alltrue([for name in keys(var.settings) : !can(regex(local.secret_names, name))])
    error_message = "A setting is a secret: whoever reads the state or the task definition would have it. Put it into Secrets Manager, and name it in `worker_secrets` or `producer_secrets`."
  }

  validation {
    condition     = length(setintersection(keys(var.settings), local.settings_with_inputs)) == 0
    error_message = "A setting has an input of its own, from which more follows than the variable: ${join(", ", setintersection(keys(var.settings), local.settings_with_inputs))}."
  }
}

variable "tags" {
  description = "Tags of everything that takes some."
  type        = map(string)
  default     = {}
}

locals {
  secret_names = "(SECRET|PASSWORD|API_KEY$|ACCESS_KEY|BEARER_TOKEN|SESSION_TOKEN)"
  settings_with_inputs = [
    "QUARRY_ENVIRONMENT", "QUARRY_QUEUE__NAME", "QUARRY_STORE__TABLE", "QUARRY_STORE__BUCKET", "QUARRY_STORE__KMS_KEY_ID",
    "QUARRY_JOB__RETENTION_DAYS", "QUARRY_WORKER__LEASE_SECONDS", "QUARRY_API__AUTH",
  ]
}
