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

module "roles" {
  source = "./modules/roles"

  name                   = var.name
  producer_platform      = "ecs"
  job_table_arn          = module.job_table.arn
  queue_arns             = module.queues.queue_arns
  dead_letter_queue_arns = [module.queues.dead_letter_queue_arn]
  payload_bucket_arn     = module.payload_bucket.arn
  kms_key_arns           = var.kms_key_arn == null ? [] : [var.kms_key_arn]
  model_arns             = local.model_arns
  guardrail_arns         = []
  endpoint_arns          = []
  secret_arns            = []
  provider_secret_arns   = []
  log_group_arns         = []
  repository_arns        = []
  tags                   = var.tags
}

resource "aws_cloudwatch_log_group" "worker" {
  name = "/quarry/${var.name}/worker"
}

module "worker_service" {
  source = "./modules/worker_service"

  name               = var.name
  image              = var.worker_image
  cluster_arn        = aws_ecs_cluster.this.arn
  cluster_name       = aws_ecs_cluster.this.name
  vpc_id             = var.network.vpc_id
  subnet_ids         = var.network.private_subnet_ids
  task_role_arn      = module.roles.worker_role_arn
  execution_role_arn = module.roles.execution_role_arn
  log_group_name     = aws_cloudwatch_log_group.worker.name
  queue_names        = module.queues.queue_names
  settings           = merge(local.environment, var.settings)
  min_tasks          = var.min_tasks
  max_tasks          = var.max_tasks
  tags               = var.tags
}
