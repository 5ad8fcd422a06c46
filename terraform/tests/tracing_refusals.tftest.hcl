# What a plan refuses of the container that takes traces.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  worker_image    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
  producer_image  = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
  certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  models          = [{ id = "amazon.nova-micro-v1:0" }]
}

run "refuses_a_collector_that_changes_by_itself" {
  # Says: The collector's image names neither a tag nor a digest
  command = plan

  variables {
    collector = { image = "public.ecr.aws/datadog/agent:latest" }
  }

  expect_failures = [var.collector]
}

run "refuses_a_collectors_key_itself" {
  # Says: A secret is named by its ARN, never by its value
  command = plan

  variables {
    collector = { image = "public.ecr.aws/datadog/agent:7", secrets = { DD_API_KEY = "0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.collector]
}

run "refuses_a_collectors_key_in_its_environment" {
  # Says: The collector's environment holds a secret
  command = plan

  variables {
    collector = { image = "public.ecr.aws/datadog/agent:7", environment = { DD_API_KEY = "0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.collector]
}
