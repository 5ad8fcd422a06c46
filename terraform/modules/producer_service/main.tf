# The REST API, in one of two forms: tasks behind a load balancer, or a function behind an HTTP API.

module "ecs" {
  count  = var.runs_on == "ecs" ? 1 : 0
  source = "./ecs"

  name                     = "${var.name}-producer"
  image                    = var.image
  cluster_arn              = var.cluster_arn
  cluster_name             = var.cluster_name
  vpc_id                   = var.vpc_id
  subnet_ids               = var.subnet_ids
  load_balancer_subnet_ids = var.load_balancer_subnet_ids
  allowed_cidrs            = var.allowed_cidrs
  internal                 = var.internal
  assign_public_ip         = var.assign_public_ip
  certificate_arn          = var.certificate_arn
  require_tls              = var.require_tls
  deletion_protection      = var.deletion_protection
  access_log_days          = var.access_log_days
  requests_per_five_min    = var.requests_per_five_minutes_per_address
  metrics_readers          = var.metrics_readers
  task_role_arn            = var.role_arn
  execution_role_arn       = var.execution_role_arn
  log_group_name           = var.log_group_name
  settings                 = var.settings
  collector                = var.collector
  secrets                  = var.secrets
  cpu                      = var.cpu
  memory_mib               = var.memory_mib
  architecture             = var.architecture
  min_tasks                = var.min_tasks
  max_tasks                = var.max_tasks
  deployment_alarm_names   = var.deployment_alarm_names
  tags                     = var.tags
}

module "lambda" {
  count  = var.runs_on == "lambda" ? 1 : 0
  source = "./lambda"

  name                = "${var.name}-producer"
  image               = var.image
  role_arn            = var.role_arn
  log_group_name      = var.log_group_name
  access_log_days     = var.access_log_days
  kms_key_arn         = var.kms_key_arn
  settings            = var.settings
  secrets             = var.secrets
  memory_mib          = var.memory_mib
  architecture        = var.architecture
  requests_per_second = var.requests_per_second
  most_at_a_time      = var.max_tasks
  tags                = var.tags
}
