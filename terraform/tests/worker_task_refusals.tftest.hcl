# What a plan refuses of a worker's task. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_an_image_without_tag" {
  # Says: names neither a tag nor a digest
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker"
  }

  expect_failures = [var.image]
}

run "refuses_an_image_called_latest" {
  # Says: could not be rolled back
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    image = "registry.example.com:5000/quarry-worker:latest"
  }

  expect_failures = [var.image]
}

run "refuses_a_port_taken_for_a_tag" {
  # Says: names neither a tag nor a digest
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    image = "registry.example.com:5000/quarry-worker"
  }

  expect_failures = [var.image]
}

run "refuses_memory_that_fargate_does_not_have" {
  # Says: Fargate gives a task of 1024 CPU units 2048 to 8192 MiB
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    memory_mib = 1024
  }

  expect_failures = [var.memory_mib]
}

run "refuses_root" {
  # Says: A worker needs no root
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    user = "0:0"
  }

  expect_failures = [var.user]
}

run "refuses_a_setting_that_has_an_input" {
  # Says: names a variable that has an input of its own
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    settings = { QUARRY_WORKER__DRAIN_SECONDS = "10" }
  }

  expect_failures = [aws_ecs_task_definition.worker]
}

run "refuses_a_variable_said_twice" {
  # Says: ECS would take only one of them
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    settings = { QUARRY_LOG_LEVEL = "debug" }
    secrets  = { QUARRY_LOG_LEVEL = "arn:aws:secretsmanager:us-east-1:123456789012:secret:level-AbCdEf" }
  }

  expect_failures = [aws_ecs_task_definition.worker]
}
