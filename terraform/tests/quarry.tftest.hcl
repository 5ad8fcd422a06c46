# All of it: what the parts are told of each other.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  worker_image    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-worker:1.0"
  producer_image  = "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/quarry-producer@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
  models          = [{ id = "us.amazon.nova-lite-v1:0", runs_in = ["us-east-1", "us-west-2"] }]
}

run "by_default" {
  command = plan

  assert {
    condition     = output.worker_environment["QUARRY_QUEUE__NAME"] == output.queue_names["normal"] && output.producer_environment["QUARRY_QUEUE__NAME"] == output.queue_names["normal"]
    error_message = "Both services are told the queue that there is."
  }
  assert {
    condition     = strcontains(output.worker_policy_json, ":task/quarry/*")
    error_message = "Workers may have tasks of their cluster protected."
  }
  assert {
    condition     = output.worker_environment["QUARRY_ENVIRONMENT"] == "production" && output.producer_environment["QUARRY_API__AUTH"] == "api_key"
    error_message = "Unless told otherwise it is production, and callers need a key."
  }
  assert {
    condition     = output.visibility_seconds == tonumber(output.worker_environment["QUARRY_WORKER__LEASE_SECONDS"]) + 5
    error_message = "Queues and workers agree on the lease."
  }
  assert {
    condition = toset(output.model_arns) == toset([
      "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
      "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
      "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-lite-v1:0",
    ])
    error_message = "A profile needs itself, and its model where it is called from and in each region that it leads to."
  }
  assert {
    condition     = toset(local.repository_arns) == toset(["arn:aws:ecr:us-east-1:123456789012:repository/quarry-worker", "arn:aws:ecr:us-east-1:123456789012:repository/team/quarry-producer"])
    error_message = "ECS may pull these two images, by tag or digest."
  }
}

run "models" {
  command = plan

  variables {
    network = { vpc_id = "vpc-1", private_subnet_ids = ["subnet-1"], public_subnet_ids = ["subnet-2", "subnet-3"] }
    models = [
      { id = "amazon.nova-micro-v1:0", called_from = ["us-east-1", "us-west-2"] },
      { id = "global.anthropic.claude-sonnet-4-5-20250929-v1:0" },
      { id = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6", model = "amazon.nova-pro-v1:0", runs_in = ["us-east-1", "us-east-2"] },
      { id = "arn:aws:bedrock:us-west-2:123456789012:inference-profile/global.amazon.nova-2-lite-v1:0", model = "amazon.nova-2-lite-v1:0", runs_in = ["us-west-2"] },
      { id = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef123456" },
    ]
  }

  assert {
    condition = toset(output.model_arns) == toset([
      "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0",
      "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-micro-v1:0",
      "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
      "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
      "arn:aws:bedrock:::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
      "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
      "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
      "arn:aws:bedrock:us-east-2::foundation-model/amazon.nova-pro-v1:0",
      "arn:aws:bedrock:us-west-2:123456789012:inference-profile/global.amazon.nova-2-lite-v1:0",
      "arn:aws:bedrock:us-west-2::foundation-model/amazon.nova-2-lite-v1:0",
      "arn:aws:bedrock:::foundation-model/amazon.nova-2-lite-v1:0",
      "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdef123456",
    ])
    error_message = "A model is needed where it is called from; behind a global profile it has an ARN without a region; a profile's ARN stands for what its id would; another ARN for itself."
  }
}

run "secrets" {
  command = plan

  variables {
    worker_secrets   = { OPENAI_API_KEY = "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf:key::" }
    producer_secrets = { OTHER = "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-AbCdEf" }
  }

  assert {
    condition = toset(local.secret_arns) == toset([
      "arn:aws:secretsmanager:us-east-1:123456789012:secret:openai-AbCdEf", "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-AbCdEf",
    ])
    error_message = "ECS may read the secrets, of which one key is picked only afterwards."
  }
}

run "secrets_under_keys_of_their_own" {
  command = plan

  variables {
    producer_secrets = { OTHER = "arn:aws:secretsmanager:us-east-1:123456789012:secret:other-AbCdEf" }
    secret_key_arns  = ["arn:aws:kms:us-east-1:123456789012:key/22222222-1234-1234-1234-123456789012"]
    kms_key_arn      = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
  }

  assert {
    condition = [for each in jsondecode(module.roles.execution_policy_json).Statement : each if each.Sid == "DecryptSecrets"] == [{
      Sid    = "DecryptSecrets"
      Effect = "Allow"
      Action = ["kms:Decrypt"]
      Resource = [
        "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012",
        "arn:aws:kms:us-east-1:123456789012:key/22222222-1234-1234-1234-123456789012",
      ]
      Condition = { StringEquals = { "kms:ViaService" = ["secretsmanager.us-east-1.amazonaws.com"] } }
    }]
    error_message = "ECS may decrypt secrets with these keys, through Secrets Manager, and with no other."
  }
  assert {
    condition = [
      for each in jsondecode(output.worker_policy_json).Statement : each.Sid
      if strcontains(jsonencode(each.Resource), "key/22222222")
    ] == []
    error_message = "A worker that reads no secret itself has no use for their keys."
  }
}

run "emulated" {
  command = plan

  variables {
    environment     = "local"
    require_tls     = false
    certificate_arn = null
    worker_image    = "quarry-worker:dev"
    producer_image  = "quarry-producer:dev"
  }

  assert {
    condition     = startswith(output.api_url, "http://") && output.producer_environment["QUARRY_API__AUTH"] == "anonymous"
    error_message = "At an emulated AWS there is http, and nobody has to say who they are."
  }
}
