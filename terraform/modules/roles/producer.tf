locals {
  producer = concat([
    {
      Sid      = "FindQueues"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueUrl"]
      Resource = concat(local.lanes, local.dlqs, local.webhooks, local.webhook_dlqs)
    },
    {
      Sid      = "SendJobs"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
      Resource = concat(local.lanes, local.webhooks)
    },
    {
      Sid      = "FindTable"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeTable"]
      Resource = [var.job_table_arn]
    },
    {
      Sid       = "SubmitAndReadJobs"
      Effect    = "Allow"
      Action    = ["dynamodb:GetItem", "dynamodb:PartiQLInsert", "dynamodb:Query"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = ["#*"] } }
    },
    {
      # Jobs with an idempotency key, notices to workers, tombstones.
      Sid       = "SubmitOnceAndNotify"
      Effect    = "Allow"
      Action    = ["dynamodb:PutItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = concat(local.callers_keys, local.heartbeats, local.sweepers) } }
    },
    {
      # Jobs, and the keys of callers: read, and marked as used.
      Sid       = "CancelJobsAndKnowCallers"
      Effect    = "Allow"
      Action    = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = concat(local.notices, local.heartbeats, local.sweepers) } }
    },
    {
      # A job that could not be sent is taken back; one that is erased goes, with its text and the row of its idempotency key.
      Sid       = "WithdrawAndEraseJobs"
      Effect    = "Allow"
      Action    = ["dynamodb:DeleteItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = ["#*"] } }
    },
    {
      Sid      = "ListJobs"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["${var.job_table_arn}/index/by_tenant"]
    },
    {
      Sid      = "FindBucket"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = [var.payload_bucket_arn]
    },
    {
      Sid      = "WritePayloads"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = ["${local.objects}/payload-*.json"]
    },
    {
      # Its own reads, and those of whoever was given a link: a presigned URL can do what its signer can.
      Sid      = "ReadResults"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
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
      # A task's log is written by ECS, a function's by itself.
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = var.producer_platform == "lambda" ? local.log_streams : []
    },
  ], local.encryption)
}
