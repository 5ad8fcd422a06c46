# The workers' service: what ECS is told, what follows from the inputs, and what is refused.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name               = "quarry"
  image              = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
  cluster_arn        = "arn:aws:ecs:us-east-1:123456789012:cluster/quarry"
  vpc_id             = "vpc-1"
  subnet_ids         = ["subnet-1", "subnet-2"]
  task_role_arn      = "arn:aws:iam::123456789012:role/quarry-worker"
  execution_role_arn = "arn:aws:iam::123456789012:role/quarry-execution"
  log_group_name     = "/quarry/quarry/worker"
}

run "container" {
  command = plan

  module {
    source = "./modules/worker_service"
  }

  variables {
    settings = { QUARRY_LOG_LEVEL = "debug" }
    secrets  = { OPENAI_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf" }
  }

  assert {
    condition = alltrue([for each in jsondecode(aws_ecs_task_definition.worker.container_definitions) : alltrue([
      each.readonlyRootFilesystem, each.user == "10001:10001", each.linuxParameters.capabilities.drop == ["ALL"],
      each.linuxParameters.initProcessEnabled, !each.privileged,
    ])])
    error_message = "The process is nobody, can write nothing, may do nothing special, and has an init process above it."
  }
  assert {
    condition = alltrue([for each in jsondecode(aws_ecs_task_definition.worker.container_definitions) :
    each.stopTimeout == 120 && tonumber(output.environment["QUARRY_WORKER__DRAIN_SECONDS"]) < each.stopTimeout])
    error_message = "ECS kills only after the drain."
  }
  assert {
    condition     = output.environment["QUARRY_LOG_LEVEL"] == "debug" && output.environment["QUARRY_WORKER__METRICS_HOST"] == "0.0.0.0"
    error_message = "Settings reach the worker, and its probes can be reached from outside the container."
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].secrets == [{ name = "OPENAI_API_KEY", valueFrom = "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf" }]
    error_message = "Of a secret, the task definition has the name only."
  }
  assert {
    condition     = !contains(keys(output.environment), "OPENAI_API_KEY")
    error_message = "A secret is not in the environment that the task definition shows."
  }
  assert {
    condition     = aws_ecs_service.worker.deployment_circuit_breaker[0].enable && aws_ecs_service.worker.deployment_circuit_breaker[0].rollback
    error_message = "A version that does not start is rolled back."
  }
}

run "content_in_flight_follows_memory" {
  command = plan

  module {
    source = "./modules/worker_service"
  }

  variables {
    cpu        = 512
    memory_mib = 1024
  }

  assert {
    condition     = output.environment["QUARRY_WORKER__INFLIGHT_BYTES"] == tostring(192 * 1024 * 1024)
    error_message = "Memory is four times the content in flight, and 256 MiB: (1024 - 256) / 4 = 192 MiB."
  }
}

run "fleet" {
  command = plan

  module {
    source = "./modules/worker_service"
  }

  variables {
    spot_weight            = 3
    deployment_alarm_names = ["quarry-worker-faults"]
  }

  assert {
    condition     = { for each in aws_ecs_service.worker.capacity_provider_strategy : each.capacity_provider => each.weight } == { FARGATE = 1, FARGATE_SPOT = 3 }
    error_message = "The mix is that of the weights."
  }
  assert {
    condition     = aws_ecs_task_definition.worker.skip_destroy
    error_message = "The revision that a rollback goes back to stays."
  }
  assert {
    condition     = aws_ecs_service.worker.force_new_deployment
    error_message = "Another mix is another deployment, not another service."
  }
  assert {
    condition     = aws_ecs_service.worker.alarms[0].rollback && aws_ecs_service.worker.alarms[0].enable
    error_message = "An alarm rolls a deployment back."
  }
}

run "metrics_are_for_those_who_are_named" {
  command = plan

  module {
    source = "./modules/worker_service"
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.metrics) == 0
    error_message = "Unless somebody is named, nothing can reach a worker."
  }
}

run "refuses_a_reader_whose_name_no_rule_takes" {
  # Says: A name of who reads metrics has
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    metrics_readers = { "the team's prometheus" = "sg-prometheus" }
  }

  expect_failures = [var.metrics_readers]
}
