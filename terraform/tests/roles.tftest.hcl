# The roles by themselves.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name                   = "quarry"
  job_table_arn          = "arn:aws:dynamodb:us-east-1:123456789012:table/quarry-jobs"
  queue_arns             = { for lane, suffix in { high = "-high", normal = "", low = "-low" } : lane => "arn:aws:sqs:us-east-1:123456789012:quarry-jobs${suffix}" }
  dead_letter_queue_arns = ["arn:aws:sqs:us-east-1:123456789012:quarry-jobs-dlq"]
  payload_bucket_arn     = "arn:aws:s3:::quarry-payloads"
  model_arns             = ["arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"]
}

run "protection" {
  command = plan

  module {
    source = "./modules/roles"
  }

  variables {
    cluster_name = "mine"
  }

  assert {
    condition = [for each in jsondecode(output.worker_policy_json).Statement : each if strcontains(jsonencode(each.Action), "ecs:")] == [{
      Sid      = "ProtectTasks"
      Effect   = "Allow"
      Action   = ["ecs:UpdateTaskProtection"]
      Resource = ["arn:aws:ecs:us-east-1:123456789012:task/mine/*"]
    }]
    error_message = "A worker may have tasks of its own cluster protected, and ask ECS for nothing else."
  }
  assert {
    condition     = !strcontains(output.producer_policy_json, "ecs:")
    error_message = "The producer has nothing to do with that."
  }
}

run "elsewhere" {
  command = plan

  module {
    source = "./modules/roles"
  }

  assert {
    condition     = !strcontains(output.worker_policy_json, "ecs:")
    error_message = "Without a cluster there is nothing to protect, and nothing is granted."
  }
}

run "no_wildcard" {
  command = plan

  module {
    source = "./modules/roles"
  }

  variables {
    cluster_name = "*"
  }

  expect_failures = [var.cluster_name]
}
