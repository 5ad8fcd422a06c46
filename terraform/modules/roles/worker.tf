locals {
  worker = concat([
    {
      Sid      = "FindQueues"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueUrl"]
      Resource = concat(local.lanes, local.dlqs, local.webhooks, local.webhook_dlqs)
    },
    {
      Sid      = "WorkLanes"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
      Resource = concat(local.lanes, local.webhooks)
    },
    {
      Sid      = "BuryJobs"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = concat(local.dlqs, local.webhook_dlqs)
    },
    {
      Sid      = "FindTable"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeTable"]
      Resource = [var.job_table_arn]
    },
    {
      Sid       = "WorkJobs"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = local.callers_keys } }
    },
    {
      Sid       = "HearOfCancelsAndWorkers"
      Effect    = "Allow"
      Action    = ["dynamodb:Query"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = concat(local.notices, local.heartbeats) } }
    },
    {
      Sid       = "TakeNotices"
      Effect    = "Allow"
      Action    = ["dynamodb:DeleteItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = local.notices } }
    },
    {
      # The sweep keeps what was promised to who erases.
      Sid       = "EraseJobs"
      Effect    = "Allow"
      Action    = ["dynamodb:DeleteItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = ["#*"] } }
    },
    {
      # Of the text of streams, to erase it: its keys, and nothing of what it says.
      Sid      = "FindTexts"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = [var.job_table_arn]
      Condition = {
        "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = ["#*"] }
        "ForAllValues:StringEquals"  = { "dynamodb:Attributes" = ["pk", "sk"] }
        "StringEquals"               = { "dynamodb:Select" = ["SPECIFIC_ATTRIBUTES"] }
      }
    },
    {
      Sid      = "FindDueJobs"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["${var.job_table_arn}/index/by_check"]
    },
    {
      Sid      = "FindBucket"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [var.payload_bucket_arn]
    },
    {
      Sid      = "ReadPayloads"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["${local.objects}/payload-*.json"]
    },
    {
      Sid      = "WriteResults"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.objects}/result-*.json"]
    },
    {
      Sid      = "FindContent"
      Effect   = "Allow"
      Action   = ["s3:ListBucketVersions"]
      Resource = [var.payload_bucket_arn]
    },
    {
      # Each version by its own, in a bucket that keeps none too: what only marked a deletion would erase nothing.
      Sid      = "EraseContent"
      Effect   = "Allow"
      Action   = ["s3:DeleteObjectVersion"]
      Resource = ["${local.objects}/payload-*.json", "${local.objects}/result-*.json"]
    },
    {
      # Converse and ConverseStream are authorised as these two: they are no actions of their own.
      Sid      = "CallModels"
      Effect   = "Allow"
      Action   = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"]
      Resource = sort(var.model_arns)
    },
    {
      Sid      = "ApplyGuardrails"
      Effect   = "Allow"
      Action   = ["bedrock:ApplyGuardrail"]
      Resource = sort(var.guardrail_arns)
    },
    {
      Sid      = "CallEndpoints"
      Effect   = "Allow"
      Action   = ["sagemaker:InvokeEndpoint"]
      Resource = sort(var.endpoint_arns)
    },
    {
      Sid      = "ReadProviderKeys"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = sort(var.provider_secret_arns)
    },
    {
      Sid      = "PublishEnds"
      Effect   = "Allow"
      Action   = ["sns:Publish"]
      Resource = var.event_topic_arn == null ? [] : [var.event_topic_arn]
    },
    {
      Sid      = "PutEnds"
      Effect   = "Allow"
      Action   = ["events:PutEvents"]
      Resource = var.event_bus_arn == null ? [] : [var.event_bus_arn]
    },
    {
      # The ECS agent asks with the task's role. There is no key for "this task", nor for its service.
      Sid      = "ProtectTasks"
      Effect   = "Allow"
      Action   = ["ecs:UpdateTaskProtection"]
      Resource = local.tasks
    },
  ], local.encryption, local.secret_decryption.worker)
}
