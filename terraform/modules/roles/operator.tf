# For people: `quarry dlq`, `quarry erase`, `quarry keys` and `quarry doctor` run where they sit, not in a task. A document, and no role of ours.

locals {
  operator = concat([
    {
      Sid      = "FindQueues"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl"]
      Resource = concat(local.lanes, local.dlqs)
    },
    {
      Sid      = "HandleDeadLetters"
      Effect   = "Allow"
      Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
      Resource = local.dlqs
    },
    {
      Sid      = "SendRedrivenJobs"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = local.lanes
    },
    {
      Sid      = "FindTable"
      Effect   = "Allow"
      Action   = ["dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"]
      Resource = [var.job_table_arn]
    },
    {
      Sid       = "RedriveJobsAndEndKeys"
      Effect    = "Allow"
      Action    = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = concat(local.notices, local.heartbeats, local.sweepers) } }
    },
    {
      Sid       = "EraseJobs"
      Effect    = "Allow"
      Action    = ["dynamodb:DeleteItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = ["#*"] } }
    },
    {
      Sid       = "PromiseErasures"
      Effect    = "Allow"
      Action    = ["dynamodb:PutItem"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringNotLike" = { "dynamodb:LeadingKeys" = concat(local.callers_keys, local.heartbeats, local.sweepers) } }
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
      Sid       = "ListKeys"
      Effect    = "Allow"
      Action    = ["dynamodb:Query"]
      Resource  = [var.job_table_arn]
      Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = local.callers_keys } }
    },
    {
      Sid      = "MakeKeys"
      Effect   = "Allow"
      Action   = ["dynamodb:PutItem"]
      Resource = [var.job_table_arn]
      Condition = {
        "ForAllValues:StringLike"  = { "dynamodb:LeadingKeys" = local.callers_keys }
        "ForAnyValue:StringEquals" = { "dynamodb:EnclosingOperation" = ["TransactWriteItems"] }
      }
    },
    {
      Sid      = "FindJobs"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = ["${var.job_table_arn}/index/by_tenant"]
    },
    {
      Sid      = "FindBucket"
      Effect   = "Allow"
      Action   = ["s3:GetLifecycleConfiguration", "s3:ListBucket"]
      Resource = [var.payload_bucket_arn]
    },
    {
      # To show a payload, and to copy one onto itself, whose time until it expires then begins anew.
      Sid      = "ShowAndRefreshPayloads"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = ["${local.objects}/payload-*.json"]
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
  ], local.encryption)
}
