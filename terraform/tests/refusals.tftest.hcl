# What a plan refuses of platform, callers, settings and secrets. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_an_unknown_platform" {
  # Says: The API runs on `ecs`
  command = plan

  variables {
    runs_on = "kubernetes"
  }

  expect_failures = [var.runs_on]
}

run "refuses_nobody_asked_who_they_are" {
  # Says: Callers prove who they are
  command = plan

  variables {
    authentication = "anonymous"
  }

  expect_failures = [var.authentication]
}

run "refuses_http_in_production" {
  # Says: Without TLS anybody on the way reads prompts and keys
  command = plan

  variables {
    require_tls = false
  }

  expect_failures = [var.require_tls]
}

run "refuses_a_secret_as_a_setting" {
  # Says: A setting is a secret
  command = plan

  variables {
    worker_settings = { AWS_BEARER_TOKEN_BEDROCK = "not-a-real-one" }
  }

  expect_failures = [var.worker_settings]
}

run "refuses_a_secret_by_its_value" {
  # Says: A secret is named by its ARN, never by its value
  command = plan

  variables {
    worker_secrets = { OPENAI_API_KEY = "not-a-real-one" }
  }

  expect_failures = [var.worker_secrets]
}

run "refuses_a_setting_that_has_an_input" {
  # Says: A setting has an input of its own
  command = plan

  variables {
    settings = { QUARRY_WORKER__LEASE_SECONDS = "30" }
  }

  expect_failures = [var.settings]
}

run "refuses_an_unknown_environment" {
  # Says: The environments are dev, staging, production, and local
  command = plan

  variables {
    environment = "prod"
  }

  expect_failures = [var.environment]
}
