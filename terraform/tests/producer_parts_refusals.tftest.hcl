# What a plan refuses of the API's two forms, by themselves. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name                     = "quarry-producer"
  image                    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
  cluster_arn              = "arn:aws:ecs:us-east-1:123456789012:cluster/quarry"
  cluster_name             = "quarry"
  vpc_id                   = "vpc-1"
  subnet_ids               = ["subnet-1", "subnet-2"]
  load_balancer_subnet_ids = ["subnet-3", "subnet-4"]
  allowed_cidrs            = ["0.0.0.0/0"]
  internal                 = false
  assign_public_ip         = false
  certificate_arn          = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  require_tls              = true
  deletion_protection      = true
  access_log_days          = 90
  requests_per_five_min    = 3000
  metrics_readers          = {}
  task_role_arn            = "arn:aws:iam::123456789012:role/quarry-producer"
  execution_role_arn       = "arn:aws:iam::123456789012:role/quarry-execution"
  log_group_name           = "/quarry/quarry/producer"
  settings                 = {}
  secrets                  = {}
  cpu                      = 512
  memory_mib               = 1024
  architecture             = "X86_64"
  min_tasks                = 2
  max_tasks                = 10
  deployment_alarm_names   = []
  tags                     = {}
}

run "refuses_keys_over_http" {
  # Says: No certificate: callers' keys would cross the network readable
  command = plan

  module {
    source = "./modules/producer_service/ecs"
  }
  variables {
    certificate_arn = null
  }

  expect_failures = [aws_lb.producer]
}

run "refuses_a_load_balancer_in_one_zone" {
  # Says: A load balancer needs subnets in two zones
  command = plan

  module {
    source = "./modules/producer_service/ecs"
  }
  variables {
    load_balancer_subnet_ids = ["subnet-3"]
  }

  expect_failures = [var.load_balancer_subnet_ids]
}

run "refuses_secrets_that_nobody_puts_into_a_function" {
  # Says: put into tasks by ECS; a function has none
  command = plan

  module {
    source = "./modules/producer_service/lambda"
  }
  variables {
    name                = "quarry-producer"
    image               = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer-lambda:1.0"
    role_arn            = "arn:aws:iam::123456789012:role/quarry-producer"
    log_group_name      = "/quarry/quarry/producer"
    access_log_days     = 90
    kms_key_arn         = null
    settings            = {}
    secrets             = { OPENAI_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf" }
    memory_mib          = 1024
    architecture        = "X86_64"
    requests_per_second = 50
    most_at_a_time      = 10
    tags                = {}
  }

  expect_failures = [aws_lambda_function.producer]
}
