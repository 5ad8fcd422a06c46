# Who needs what of whom, in the order in which it is made.

module "network" {
  count  = var.network == null ? 1 : 0
  source = "./modules/network"

  name           = var.name
  cidr           = var.network_cidr
  zones          = var.zones
  zone_names     = var.zone_names
  public_subnets = local.on_ecs && !var.internal
  tags           = var.tags
}

module "queues" {
  source = "./modules/queues"

  name          = "${var.name}-jobs"
  lease_seconds = var.lease_seconds
  kms_key_arn   = var.kms_key_arn
  require_tls   = var.require_tls
  tags          = var.tags
}

module "job_table" {
  source = "./modules/job_table"

  name                = "${var.name}-jobs"
  deletion_protection = var.deletion_protection
  kms_key_arn         = var.kms_key_arn
  tags                = var.tags
}

module "payload_bucket" {
  source = "./modules/payload_bucket"

  name                = local.bucket_name
  retention_days      = var.retention_days
  versioning          = var.payload_versioning
  deletion_protection = var.deletion_protection
  kms_key_arn         = var.kms_key_arn
  require_tls         = var.require_tls
  tags                = var.tags
}

module "observability" {
  source = "./modules/observability"

  name                   = var.name
  log_retention_days     = var.log_retention_days
  alarm_emails           = var.alarm_emails
  runbooks_url           = var.runbooks_url
  late_seconds           = var.late_seconds
  queue_names            = module.queues.queue_names
  dead_letter_queue_name = module.queues.dead_letter_queue_name
  webhook_queue_names    = { queue = module.queues.webhooks.name, dead_letter = module.queues.webhooks.dead_letter_name }
  table_name             = module.job_table.name
  cluster_name           = aws_ecs_cluster.this.name
  worker_service_name    = "${var.name}-worker"
  min_workers            = local.min_workers
  api_errors             = module.producer_service.errors
  api_load_balancer      = module.producer_service.load_balancer
  measured               = var.cloudwatch_metrics
  slow_call_seconds      = var.slow_call_seconds
  failed_calls_percent   = var.failed_calls_percent
  kms_key_arn            = var.kms_key_arn
  tags                   = var.tags
}

module "roles" {
  source = "./modules/roles"

  name                   = var.name
  producer_platform      = var.runs_on
  job_table_arn          = module.job_table.arn
  queue_arns             = module.queues.queue_arns
  dead_letter_queue_arns = [module.queues.dead_letter_queue_arn]
  webhook_queue_arns     = { queue = module.queues.webhooks.arn, dead_letter = module.queues.webhooks.dead_letter_arn }
  event_topic_arn        = var.event_topic_arn
  event_bus_arn          = var.event_bus_arn
  payload_bucket_arn     = module.payload_bucket.arn
  cluster_name           = aws_ecs_cluster.this.name
  kms_key_arns           = var.kms_key_arn == null ? [] : [var.kms_key_arn]
  model_arns             = local.model_arns
  guardrail_arns         = var.guardrail_arns
  endpoint_arns          = var.endpoint_arns
  secret_arns            = local.secret_arns
  provider_secret_arns   = var.provider_secret_arns
  secret_key_arns        = var.secret_key_arns
  log_group_arns         = values(module.observability.log_group_arns)
  repository_arns        = local.repository_arns
  tags                   = var.tags
}

module "worker_service" {
  source = "./modules/worker_service"

  name                   = var.name
  image                  = var.worker_image
  cluster_arn            = local.cluster_arn
  vpc_id                 = local.network.vpc_id
  subnet_ids             = local.network.private_subnet_ids
  assign_public_ip       = var.assign_public_ip
  metrics_readers        = var.metrics_readers
  task_role_arn          = module.roles.worker_role_arn
  execution_role_arn     = module.roles.execution_role_arn
  log_group_name         = module.observability.log_group_names["worker"]
  deployment_alarm_names = module.observability.deployment_alarm_names["worker"]
  settings               = merge(local.environment, local.measured_environment, local.worker_environment, var.settings, var.worker_settings)
  secrets                = var.worker_secrets
  collector              = var.collector
  slots                  = var.slots
  drain_seconds          = var.drain_seconds
  stop_timeout_seconds   = var.stop_timeout_seconds
  cpu                    = var.worker_cpu
  memory_mib             = var.worker_memory_mib
  architecture           = var.architecture
  min_tasks              = local.min_tasks
  on_demand_base         = var.on_demand_base
  on_demand_weight       = var.on_demand_weight
  spot_weight            = var.spot_weight
  tags                   = var.tags
}

module "autoscaling" {
  source = "./modules/autoscaling"

  name                       = var.name
  cluster_name               = aws_ecs_cluster.this.name
  service_name               = module.worker_service.service_name
  queue_names                = module.queues.queue_names
  namespace                  = module.observability.namespace
  slots_per_task             = var.slots
  typical_job_seconds        = var.typical_job_seconds
  acceptable_latency_seconds = var.acceptable_latency_seconds
  min_tasks                  = local.min_tasks
  max_tasks                  = var.max_tasks
  quota                      = var.quota
  schedules                  = var.schedules
  follow_backlog             = var.follow_backlog
  thresholds                 = var.thresholds
  tags                       = var.tags
}

module "producer_service" {
  source = "./modules/producer_service"

  name                                  = var.name
  runs_on                               = var.runs_on
  image                                 = var.producer_image
  cluster_arn                           = local.cluster_arn
  cluster_name                          = aws_ecs_cluster.this.name
  vpc_id                                = local.network.vpc_id
  subnet_ids                            = local.network.private_subnet_ids
  load_balancer_subnet_ids              = var.internal ? local.network.private_subnet_ids : local.network.public_subnet_ids
  internal                              = var.internal
  allowed_cidrs                         = var.allowed_cidrs
  assign_public_ip                      = var.assign_public_ip
  certificate_arn                       = var.certificate_arn
  require_tls                           = var.require_tls
  requests_per_five_minutes_per_address = var.requests_per_five_minutes_per_address
  requests_per_second                   = var.requests_per_second
  metrics_readers                       = var.metrics_readers
  role_arn                              = module.roles.producer_role_arn
  execution_role_arn                    = module.roles.execution_role_arn
  log_group_name                        = module.observability.log_group_names["producer"]
  access_log_days                       = var.log_retention_days
  deployment_alarm_names                = module.observability.deployment_alarm_names["producer"]
  settings                              = merge(local.environment, local.measured_environment, local.producer_environment, var.settings, var.producer_settings)
  secrets                               = var.producer_secrets
  collector                             = local.on_ecs ? var.collector : null
  cpu                                   = var.producer_cpu
  memory_mib                            = var.producer_memory_mib
  architecture                          = var.architecture
  min_tasks                             = var.producer_min_tasks
  max_tasks                             = var.producer_max_tasks
  kms_key_arn                           = var.kms_key_arn
  deletion_protection                   = var.deletion_protection
  tags                                  = var.tags
}

module "backup" {
  count  = var.backup_days > 0 ? 1 : 0
  source = "./modules/backup"

  name = var.name
  # AWS Backup copies a bucket only if it keeps versions.
  resource_arns       = concat([module.job_table.arn], var.payload_versioning ? [module.payload_bucket.arn] : [])
  keep_days           = var.backup_days
  deletion_protection = var.deletion_protection
  kms_key_arn         = var.kms_key_arn
  tags                = var.tags
}
