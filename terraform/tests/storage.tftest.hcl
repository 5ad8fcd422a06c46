# Queues, table and bucket: the numbers that follow from what is said. That they are the ones that `quarry provision` makes is
# compared in tests/e2e/terraform, at an emulated AWS.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

run "visibility_follows_the_lease" {
  command = plan

  module {
    source = "./modules/queues"
  }

  variables {
    name          = "quarry-jobs"
    lease_seconds = 90
  }

  assert {
    condition     = alltrue([for queue in aws_sqs_queue.lane : queue.visibility_timeout_seconds == 95])
    error_message = "A message reappears when the lease behind it is claimable: after the lease and the margin for clocks."
  }
  assert {
    condition     = output.queue_names == { high = "quarry-jobs-high", normal = "quarry-jobs", low = "quarry-jobs-low" }
    error_message = "The services derive the lanes' names from the normal one: NAME-high, NAME, NAME-low."
  }
  assert {
    condition     = aws_sqs_queue.dead_letter.name == "quarry-jobs-dlq" && aws_sqs_queue.dead_letter.message_retention_seconds == 1209600
    error_message = "A dead letter keeps the date of its first sending, so its queue keeps messages for as long as SQS can."
  }
  assert {
    condition     = alltrue([for queue in aws_sqs_queue.lane : jsondecode(queue.redrive_policy).maxReceiveCount == 1000])
    error_message = "The backstop is high: the budget that counts is the job's."
  }
  assert {
    condition     = alltrue([for queue in aws_sqs_queue.lane : queue.sqs_managed_sse_enabled == true])
    error_message = "Without a key, SQS encrypts under its own."
  }
  assert {
    condition     = length(aws_sqs_queue_policy.tls_only) == 6 && alltrue([for policy in aws_sqs_queue_policy.tls_only : jsondecode(policy.policy).Statement[0].Effect == "Deny"])
    error_message = "All six queues refuse requests without TLS."
  }
}

run "queues_under_a_key" {
  command = plan

  module {
    source = "./modules/queues"
  }

  variables {
    name        = "quarry-jobs"
    kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
  }

  assert {
    condition     = alltrue([for queue in concat(values(aws_sqs_queue.lane), [aws_sqs_queue.dead_letter]) : queue.kms_master_key_id == var.kms_key_arn])
    error_message = "Lanes and dead letters are encrypted under the key."
  }
}

run "refuses_a_lease_that_the_services_refuse" {
  # Says: A lease lasts 10 to 600 s
  command = plan

  module {
    source = "./modules/queues"
  }

  variables {
    name          = "quarry-jobs"
    lease_seconds = 5
  }

  expect_failures = [var.lease_seconds]
}

run "table" {
  command = plan

  module {
    source = "./modules/job_table"
  }

  variables {
    name = "quarry-jobs"
  }

  assert {
    condition     = aws_dynamodb_table.jobs.deletion_protection_enabled && aws_dynamodb_table.jobs.point_in_time_recovery[0].enabled
    error_message = "Unless told otherwise, the table refuses to be deleted, and can be restored."
  }
  assert {
    condition     = toset([for index in aws_dynamodb_table.jobs.global_secondary_index : index.name]) == toset(["by_tenant", "by_check"])
    error_message = "The store asks the indexes by_tenant and by_check."
  }
}

run "objects_outlast_their_jobs" {
  command = plan

  module {
    source = "./modules/payload_bucket"
  }

  variables {
    name           = "quarry-payloads"
    retention_days = 30
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.payloads.rule[0].expiration[0].days == 44
    error_message = "A job waits up to 12 days and may be 2 late, and is then kept: its objects live as long."
  }
  assert {
    condition     = !aws_s3_bucket.payloads.force_destroy
    error_message = "Unless told otherwise, a bucket that holds objects refuses to be deleted."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.payloads.block_public_acls, aws_s3_bucket_public_access_block.payloads.block_public_policy,
      aws_s3_bucket_public_access_block.payloads.ignore_public_acls, aws_s3_bucket_public_access_block.payloads.restrict_public_buckets,
    ])
    error_message = "Nothing in the bucket can be made public."
  }
}

run "refuses_a_backup_of_nothing" {
  # Says: Nothing is named that should be backed up
  command = plan

  module {
    source = "./modules/backup"
  }

  variables {
    name          = "quarry"
    resource_arns = []
  }

  expect_failures = [var.resource_arns]
}
