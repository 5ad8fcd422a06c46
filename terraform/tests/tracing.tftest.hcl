# The container that takes traces: off by default, beside both services where it is said, its key from Secrets Manager.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name               = "quarry"
  image              = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
  cluster_arn        = "arn:aws:ecs:us-east-1:123456789012:cluster/quarry"
  cluster_name       = "quarry"
  vpc_id             = "vpc-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  task_role_arn      = "arn:aws:iam::123456789012:role/quarry-worker"
  execution_role_arn = "arn:aws:iam::123456789012:role/quarry-execution"
  log_group_name     = "/quarry/quarry/worker"
  queue_names        = { high = "quarry-jobs-high", normal = "quarry-jobs", low = "quarry-jobs-low" }
}

run "off" {
  command = plan

  module {
    source = "./modules/worker_service"
  }

  assert {
    condition     = length(jsondecode(aws_ecs_task_definition.worker.container_definitions)) == 1 && !contains(keys(output.environment), "QUARRY_TRACING__ENABLED")
    error_message = "Without a collector a task is one container, which waits for none, and tracing is off."
  }
}

run "datadog" {
  command = plan

  module {
    source = "./modules/worker_service"
  }

  variables {
    collector = {
      image       = "public.ecr.aws/datadog/agent:7.71.0"
      environment = { DD_SITE = "datadoghq.eu", ECS_FARGATE = "true" }
      secrets     = { DD_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:datadog-AbCdEf" }
      memory_mib  = 256
    }
  }

  assert {
    condition     = output.environment["QUARRY_TRACING__ENABLED"] == "true" && output.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:4318"
    error_message = "The worker sends its traces to the container beside it."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[1].secrets == [{ name = "DD_API_KEY", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:datadog-AbCdEf" }]
    error_message = "Of the key, the task definition has the name only."
  }
  assert {
    condition     = !jsondecode(aws_ecs_task_definition.worker.container_definitions)[1].essential && jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].essential
    error_message = "A collector that ends takes no worker along."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].dependsOn == [{ containerName = "collector", condition = "START" }]
    error_message = "It is ended after the worker, whose last traces it takes."
  }
}

run "of_all" {
  command = plan

  variables {
    worker_image    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
    producer_image  = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    models          = [{ id = "amazon.nova-micro-v1:0" }]
    collector = {
      image   = "123456789012.dkr.ecr.us-east-1.amazonaws.com/collector:1.0"
      secrets = { DD_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:datadog-AbCdEf:key::" }
    }
  }

  assert {
    condition     = contains(local.secret_arns, "arn:aws:secretsmanager:us-east-1:123456789012:secret:datadog-AbCdEf")
    error_message = "The execution role may read the collector's secret."
  }
  assert {
    condition     = contains(local.repository_arns, "arn:aws:ecr:us-east-1:123456789012:repository/collector")
    error_message = "The execution role may pull the collector's image."
  }
  assert {
    condition     = output.worker_environment["QUARRY_TRACING__ENABLED"] == "true" && output.producer_environment["QUARRY_TRACING__ENABLED"] == "true"
    error_message = "Both services trace, so that one trace leads through both."
  }
}
