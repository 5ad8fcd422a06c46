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

run "telling" {
  command = plan

  module {
    source = "./modules/roles"
  }

  variables {
    webhook_queue_arns = {
      queue       = "arn:aws:sqs:us-east-1:123456789012:quarry-jobs-webhooks"
      dead_letter = "arn:aws:sqs:us-east-1:123456789012:quarry-jobs-webhooks-dlq"
    }
    event_topic_arn = "arn:aws:sns:us-east-1:123456789012:ends"
    event_bus_arn   = "arn:aws:events:us-east-1:123456789012:event-bus/ends"
  }

  assert {
    condition = { for each in jsondecode(output.worker_policy_json).Statement : each.Sid => [each.Action, each.Resource] if contains(["PublishEnds", "PutEnds"], each.Sid) } == {
      PublishEnds = [["sns:Publish"], ["arn:aws:sns:us-east-1:123456789012:ends"]]
      PutEnds     = [["events:PutEvents"], ["arn:aws:events:us-east-1:123456789012:event-bus/ends"]]
    }
    error_message = "A worker may publish to that topic and that bus, and to no other."
  }
  assert {
    condition     = !strcontains(output.producer_policy_json, "sns:") && !strcontains(output.producer_policy_json, "events:") && !strcontains(output.producer_policy_json, "webhooks-dlq\",\"sqs:Receive")
    error_message = "The producer publishes nothing."
  }
  assert {
    condition     = alltrue([for each in jsondecode(output.producer_policy_json).Statement : !contains(each.Action, "sqs:ReceiveMessage")])
    error_message = "The producer sends reminders, of jobs that it cancels, and takes none."
  }
}

run "no_bus_but_one" {
  command = plan

  module {
    source = "./modules/roles"
  }

  variables {
    event_bus_arn   = "arn:aws:events:us-east-1:123456789012:event-bus/*"
    event_topic_arn = "arn:aws:sns:us-east-1:123456789012:*"
  }

  expect_failures = [var.event_bus_arn, var.event_topic_arn]
}
