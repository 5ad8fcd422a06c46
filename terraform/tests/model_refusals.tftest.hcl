# What a plan refuses of the models. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  worker_image    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
  producer_image  = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
  certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  models          = [{ id = "us.amazon.nova-lite-v1:0", runs_in = ["us-east-1", "us-west-2"] }]
}

run "refuses_no_model" {
  # Says: No model: the workers may call what is listed here and nothing else
  command = plan

  variables {
    models = []
  }

  expect_failures = [var.models]
}

run "refuses_any_model" {
  # Says: run up a bill on any model
  command = plan

  variables {
    models = [{ id = "*" }]
  }

  expect_failures = [var.models]
}

run "refuses_any_model_of_a_vendor" {
  # Says: run up a bill on any model
  command = plan

  variables {
    models = [{ id = "anthropic.claude-*" }]
  }

  expect_failures = [var.models]
}

run "refuses_a_profile_without_its_regions" {
  # Says: An inference profile has no `runs_in`
  command = plan

  variables {
    models = [{ id = "eu.amazon.nova-lite-v1:0" }]
  }

  expect_failures = [var.models]
}

run "refuses_the_arn_of_a_profile_without_its_model" {
  # Says: An inference profile's ARN comes without its `model`
  command = plan

  variables {
    models = [{ id = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6", runs_in = ["us-east-1"] }]
  }

  expect_failures = [var.models]
}

run "refuses_a_prefix_that_it_does_not_know" {
  # Says: begins with a prefix that this module does not know
  command = plan

  variables {
    models = [{ id = "mars.amazon.nova-lite-v1:0", runs_in = ["us-east-1"] }]
  }

  expect_failures = [var.models]
}
