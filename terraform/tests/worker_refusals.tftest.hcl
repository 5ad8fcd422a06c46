# What a plan refuses of the workers' service: how it stops, where and how many run. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_a_drain_as_long_as_the_stop_timeout" {
  # Says: The drain (120 s) must end before ECS kills the task (stop timeout 120 s)
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    drain_seconds = 120
  }

  expect_failures = [var.drain_seconds]
}

run "refuses_a_drain_longer_than_a_shorter_stop_timeout" {
  # Says: The drain (60 s) must end before ECS kills the task (stop timeout 30 s)
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    drain_seconds        = 60
    stop_timeout_seconds = 30
  }

  expect_failures = [var.drain_seconds]
}

run "refuses_a_stop_timeout_that_fargate_does_not_have" {
  # Says: Fargate waits 2 to 120 s
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    stop_timeout_seconds = 300
  }

  expect_failures = [var.stop_timeout_seconds]
}

run "refuses_no_subnet" {
  # Says: No subnet: the workers' tasks would have no place to run in
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    subnet_ids = []
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_fewer_than_no_tasks" {
  # Says: There cannot be fewer than no tasks
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    min_tasks = -1
  }

  expect_failures = [var.min_tasks]
}

run "refuses_no_weight_at_all" {
  # Says: no task could be placed
  command = plan

  module {
    source = "./modules/worker_service"
  }
  variables {
    on_demand_weight = 0
    spot_weight      = 0
  }

  expect_failures = [var.on_demand_weight]
}
