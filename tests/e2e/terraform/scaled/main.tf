# Workers, what they need, and what scales them: the modules of terraform/, but without network, API, roles and alarms, which
# scaling does not need and which are applied beside this, with the whole of examples/complete.

terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 6"
    }
  }
}

provider "aws" {
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
  max_retries                 = 2
}

variable "name" { type = string }
variable "worker_image" { type = string }
variable "bedrock_url" { type = string }
variable "seconds_a_minute" { type = number }
variable "slots" { type = number }
variable "min_tasks" { type = number }
variable "max_tasks" { type = number }
variable "typical_job_seconds" { type = number }

module "queues" {
  source = "../../modules/queues"

  name          = "${var.name}-jobs"
  lease_seconds = 60
  require_tls   = false
}

module "job_table" {
  source = "../../modules/job_table"

  name                = "${var.name}-jobs"
  deletion_protection = false
}

resource "aws_s3_bucket" "payloads" {
  bucket        = "${var.name}-jobs"
  force_destroy = true
}

resource "aws_vpc" "this" {
  cidr_block = "10.42.0.0/16"
}

resource "aws_subnet" "this" {
  vpc_id     = aws_vpc.this.id
  cidr_block = "10.42.0.0/24"
}

resource "aws_iam_role" "task" {
  # Not by a name of its own: the provider makes it anew where an answer of the emulator was lost.
  name_prefix = "${var.name}-task-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_cloudwatch_log_group" "worker" {
  name = "/${var.name}/worker"
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

module "worker_service" {
  source     = "../../modules/worker_service"
  depends_on = [aws_ecs_cluster_capacity_providers.this]

  name               = var.name
  image              = var.worker_image
  cluster_arn        = aws_ecs_cluster.this.arn
  vpc_id             = aws_vpc.this.id
  subnet_ids         = [aws_subnet.this.id]
  task_role_arn      = aws_iam_role.task.arn
  execution_role_arn = aws_iam_role.task.arn
  log_group_name     = aws_cloudwatch_log_group.worker.name
  slots              = var.slots
  min_tasks          = var.min_tasks
  # Before the emulator kills, which is 5 s after it has asked.
  drain_seconds = 3
  settings = {
    QUARRY_ENVIRONMENT               = "local"
    QUARRY_QUEUE__NAME               = module.queues.name
    QUARRY_STORE__TABLE              = module.job_table.name
    QUARRY_STORE__BUCKET             = aws_s3_bucket.payloads.bucket
    QUARRY_EMF__NAMESPACE            = "Quarry/${var.name}"
    QUARRY_EMF__SECONDS              = tostring(var.seconds_a_minute)
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME = var.bedrock_url
  }
}

module "autoscaling" {
  source = "../../modules/autoscaling"

  name                = var.name
  cluster_name        = aws_ecs_cluster.this.name
  service_name        = module.worker_service.service_name
  queue_names         = module.queues.queue_names
  namespace           = "Quarry/${var.name}"
  slots_per_task      = var.slots
  typical_job_seconds = var.typical_job_seconds
  min_tasks           = var.min_tasks
  max_tasks           = var.max_tasks
}
