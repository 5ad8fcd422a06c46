locals {
  on_ecs = var.runs_on == "ecs"

  # Workers that there are always: on the clock, those of the hour with the fewest.
  min_tasks   = coalesce(var.min_tasks, var.thresholds == null ? 1 : 2)
  min_workers = min(concat([local.min_tasks], [for each in var.schedules : each.min_tasks])...)

  # Unique in all of AWS.
  bucket_name = coalesce(var.bucket_name, "${var.name}-payloads-${local.account}-${data.aws_region.current.name}")

  # Whether tasks reach more than the endpoints of AWS that there are.
  internet = try(var.network.internet, false)

  network = var.network != null ? var.network : {
    vpc_id             = module.network[0].vpc_id
    private_subnet_ids = module.network[0].private_subnet_ids
    public_subnet_ids  = module.network[0].public_subnet_ids
    internet           = false
  }

  # What the services are told; names of variables are those of docs/reference/settings.md.
  environment = merge({
    QUARRY_ENVIRONMENT         = var.environment
    QUARRY_QUEUE__NAME         = module.queues.name
    QUARRY_STORE__TABLE        = module.job_table.name
    QUARRY_STORE__BUCKET       = module.payload_bucket.name
    QUARRY_JOB__RETENTION_DAYS = tostring(var.retention_days)
    },
    var.kms_key_arn == null ? {} : { QUARRY_STORE__KMS_KEY_ID = var.kms_key_arn },
    var.webhooks ? { QUARRY_WEBHOOKS__ENABLED = "true" } : {},
    var.event_topic_arn == null ? {} : { QUARRY_EVENTS__SNS_TOPIC_ARN = var.event_topic_arn },
    var.event_bus_arn == null ? {} : { QUARRY_EVENTS__EVENT_BUS_NAME = split(":event-bus/", var.event_bus_arn)[1] },
  )
  measured_environment = var.cloudwatch_metrics ? { QUARRY_EMF__NAMESPACE = module.observability.namespace } : {}
  worker_environment   = { QUARRY_WORKER__LEASE_SECONDS = tostring(var.lease_seconds) }
  producer_environment = { QUARRY_API__AUTH = coalesce(var.authentication, var.environment == "local" ? "anonymous" : "api_key") }

  # Of arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME:KEY:STAGE:VERSION, the secret.
  secret_arns = distinct([
    for secret in concat(values(var.worker_secrets), values(var.producer_secrets), values(try(var.collector.secrets, {}))) : join(":", slice(split(":", secret), 0, 7))
  ])

  # ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG is in a repository that the execution role has to read. A function's image is
  # read by Lambda itself.
  ecr = "^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/([^:@]+)[:@]"
  repository_arns = distinct([
    for parts in [for image in concat([var.worker_image], local.on_ecs ? [var.producer_image] : [], try([var.collector.image], [])) : try(regex(local.ecr, image), [])] :
    "arn:${data.aws_partition.current.partition}:ecr:${parts[1]}:${parts[0]}:repository/${parts[2]}" if length(parts) == 3
  ])
}
