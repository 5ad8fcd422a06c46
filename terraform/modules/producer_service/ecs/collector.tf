# Beside the process: what takes its traces, in the same task, so that they are one hop of loopback away.

variable "collector" {
  description = "A container beside it that takes traces on port 4318 of the task, and hands them on; null: tracing is off."
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

locals {
  collectors = var.collector == null ? [] : [var.collector]

  tracing_environment = var.collector == null ? {} : {
    QUARRY_TRACING__ENABLED     = "true"
    OTEL_EXPORTER_OTLP_ENDPOINT = "http://127.0.0.1:4318"
  }

  # Started after it, and so ended before it: what is told while draining is taken.
  before_collector = merge([for each in local.collectors : { dependsOn = [{ containerName = "collector", condition = "START" }] }]...)

  # Without what is not said: null is no value to ECS.
  collector_containers = [for each in local.collectors : { for member, value in {
    name  = "collector"
    image = each.image
    # Traces may be lost, and no job with them: it may end, and the task goes on.
    essential   = false
    command     = each.command
    environment = [for name in sort(keys(each.environment)) : { name = name, value = each.environment[name] }]
    secrets     = [for name in sort(keys(each.secrets)) : { name = name, valueFrom = each.secrets[name] }]
    user        = each.user
    cpu         = each.cpu
    memory      = each.memory_mib
    privileged  = false
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = var.log_group_name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = "collector"
        "mode"                  = "non-blocking"
        "max-buffer-size"       = "4m"
      }
    }
  } : member => value if value != null }]
}
