# Traces of both services.

variable "collector" {
  description = "A container beside each worker, and each API on ECS, that takes traces by OTLP over HTTP on port 4318 and hands them on: a collector, or Datadog's agent (docs/howto/tracing.md). `secrets`: its variables whose values lie in Secrets Manager, such as DD_API_KEY, by ARN or ARN:KEY::. With it tracing is on; its cpu and memory are of the task's."
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

  validation {
    condition     = var.collector == null ? true : can(regex("(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}|@sha256:[0-9a-f]{64})$", var.collector.image)) && !endswith(var.collector.image, ":latest")
    error_message = "The collector's image names neither a tag nor a digest, or `latest`: what runs would change without a deployment."
  }

  validation {
    condition     = alltrue([for arn in values(try(var.collector.secrets, {})) : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^*?]+$", arn))])
    error_message = "A secret is named by its ARN, never by its value: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX."
  }

  validation {
    condition     = var.environment == "local" || alltrue([for name in keys(try(var.collector.environment, {})) : !can(regex(local.secret_names, name))])
    error_message = "The collector's environment holds a secret: whoever reads the state or the task definition would have it. Name it in `collector.secrets`."
  }
}
