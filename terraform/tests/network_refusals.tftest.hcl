# What a plan refuses because the network has no way to it. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_no_subnet" {
  # Says: No subnet: the tasks would have no place to run in
  command = plan

  variables {
    network = { vpc_id = "vpc-1", private_subnet_ids = [], public_subnet_ids = ["subnet-1", "subnet-2"] }
  }

  expect_failures = [var.network]
}

run "refuses_a_region_that_endpoints_do_not_reach" {
  # Says: A model is called from another region
  command = plan

  variables {
    models = [{ id = "amazon.nova-lite-v1:0", called_from = ["us-east-1", "eu-west-1"] }]
  }

  expect_failures = [var.models]
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

run "refuses_a_sagemaker_endpoint_that_the_network_does_not_reach" {
  # Says: This network has no way to SageMaker
  command = plan

  variables {
    endpoint_arns = ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine"]
  }

  expect_failures = [var.endpoint_arns]
}

# The same of a network that is given, and has endpoints only.

run "refuses_a_region_that_the_given_network_does_not_reach" {
  # Says: A model is called from another region
  command = plan

  variables {
    network = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"], internet = false }
    models  = [{ id = "amazon.nova-lite-v1:0", called_from = ["us-east-1", "eu-west-1"] }]
  }

  expect_failures = [var.models]
}

run "refuses_images_that_the_given_network_does_not_reach" {
  # Says: The image is not in ECR, and this network has no way to another registry
  command = plan

  variables {
    network      = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"], internet = false }
    worker_image = "registry.example.com/quarry-worker:1.0"
  }

  expect_failures = [var.worker_image]
}

run "refuses_an_api_image_that_the_given_network_does_not_reach" {
  # Says: this network has no way to another registry
  command = plan

  variables {
    network        = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"], internet = false }
    producer_image = "registry.example.com/quarry-producer:1.0"
  }

  expect_failures = [var.producer_image]
}

run "refuses_an_issuer_that_the_given_network_does_not_reach" {
  # Says: which this network has no way to
  command = plan

  variables {
    network        = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"], internet = false }
    authentication = "jwt"
  }

  expect_failures = [var.authentication]
}

run "refuses_a_sagemaker_endpoint_that_the_given_network_does_not_reach" {
  # Says: This network has no way to SageMaker
  command = plan

  variables {
    network       = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"], internet = false }
    endpoint_arns = ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine"]
  }

  expect_failures = [var.endpoint_arns]
}

run "a_given_network_reaches_all_unless_it_says_otherwise" {
  command = plan

  variables {
    network        = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"] }
    models         = [{ id = "amazon.nova-lite-v1:0", called_from = ["us-east-1", "eu-west-1"] }]
    worker_image   = "registry.example.com/quarry-worker:1.0"
    producer_image = "registry.example.com/quarry-producer:1.0"
    authentication = "jwt"
    endpoint_arns  = ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine"]
  }

  assert {
    condition     = local.internet && length(module.network) == 0
    error_message = "A network that is given has a way to the internet unless it says that it has none."
  }
}
