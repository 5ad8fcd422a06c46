# What a plan refuses as a whole. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_a_region_that_endpoints_do_not_reach" {
  # Says: A model is called from another region
  command = plan

  variables {
    models = [{ id = "amazon.nova-lite-v1:0", called_from = ["us-east-1", "eu-west-1"] }]
  }

  expect_failures = [var.models]
}

run "refuses_no_subnet" {
  # Says: No subnet: the tasks would have no place to run in
  command = plan

  variables {
    network = { vpc_id = "vpc-1", private_subnet_ids = [], public_subnet_ids = ["subnet-1", "subnet-2"] }
  }

  expect_failures = [var.network]
}

run "refuses_an_unknown_platform" {
  # Says: The API runs on `ecs`
  command = plan

  variables {
    runs_on = "kubernetes"
  }

  expect_failures = [var.runs_on]
}

run "refuses_an_image_that_the_network_does_not_reach" {
  # Says: The image is not in ECR
  command = plan

  variables {
    worker_image = "registry.example.com/quarry-worker:1.0"
  }

  expect_failures = [var.worker_image]
}

run "refuses_an_image_that_lambda_does_not_take" {
  # Says: Lambda takes no other
  command = plan

  variables {
    runs_on        = "lambda"
    producer_image = "registry.example.com/quarry-producer-lambda:1.0"
    network        = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"] }
  }

  expect_failures = [var.producer_image]
}

run "refuses_an_issuer_that_the_network_does_not_reach" {
  # Says: Tokens are checked with the issuer's keys
  command = plan

  variables {
    authentication = "jwt"
  }

  expect_failures = [var.authentication]
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
