# What a plan refuses of the API's service. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name           = "quarry"
  runs_on        = "ecs"
  image          = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
  role_arn       = "arn:aws:iam::123456789012:role/quarry-producer"
  log_group_name = "/quarry/quarry/producer"

  cluster_arn              = "arn:aws:ecs:us-east-1:123456789012:cluster/quarry"
  cluster_name             = "quarry"
  vpc_id                   = "vpc-1"
  execution_role_arn       = "arn:aws:iam::123456789012:role/quarry-execution"
  subnet_ids               = ["subnet-1", "subnet-2"]
  load_balancer_subnet_ids = ["subnet-3", "subnet-4"]
  certificate_arn          = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
}

run "refuses_an_unknown_platform" {
  # Says: The API runs on `ecs`
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    runs_on = "ec2"
  }

  expect_failures = [var.runs_on]
}

run "refuses_an_image_without_tag" {
  # Says: names neither a tag nor a digest
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer"
  }

  expect_failures = [var.image]
}

run "refuses_a_ceiling_below_the_floor" {
  # Says: The ceiling (1 tasks of the API) is below the floor (2)
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    max_tasks = 1
  }

  expect_failures = [var.max_tasks]
}

run "refuses_a_rate_that_waf_counts_too_late" {
  # Says: WAF counts up late
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    requests_per_five_minutes_per_address = 10
  }

  expect_failures = [var.requests_per_five_minutes_per_address]
}

run "refuses_memory_that_fargate_does_not_have" {
  # Says: in steps of 1024
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    memory_mib = 1500
  }

  expect_failures = [var.memory_mib]
}

run "refuses_memory_that_lambda_does_not_have" {
  # Says: Lambda gives a function 10240 MiB at most
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    runs_on    = "lambda"
    memory_mib = 16384
  }

  expect_failures = [var.memory_mib]
}

run "refuses_nobody_who_may_call" {
  # Says: nobody could call the API
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    allowed_cidrs = []
  }

  expect_failures = [var.allowed_cidrs]
}
