# Everything is applied, to a provider that makes things up: references, types and counts hold. No `override_during` here.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  worker_image       = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
  producer_image     = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
  certificate_arn    = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  models             = [{ id = "us.amazon.nova-lite-v1:0", runs_in = ["us-east-1", "us-west-2"] }]
  kms_key_arn        = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
  backup_days        = 35
  payload_versioning = true
  spot_weight        = 3
  alarm_emails       = ["operators@example.com"]
}

run "on_ecs" {
  assert {
    condition     = startswith(output.api_url, "https://") && output.producer_service_name == "quarry-producer"
    error_message = "The API is a service behind https."
  }
  assert {
    condition     = output.worker_environment["QUARRY_STORE__KMS_KEY_ID"] == var.kms_key_arn
    error_message = "Workers encrypt large content under the key."
  }
}

run "from_ecs_to_lambda" {
  variables {
    runs_on        = "lambda"
    producer_image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer-lambda:1.0"
  }

  assert {
    condition     = output.producer_service_name == null && output.producer_task_definition_arn == null && strcontains(output.api_url, "execute-api")
    error_message = "The API is a function behind an HTTP API."
  }
}
