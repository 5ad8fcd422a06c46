# One role per component, each with what that component calls and nothing else. Policies are written with jsonencode, so that a
# test reads what is granted. What each action is for: docs/howto/permissions.md.

locals {
  arn       = split(":", var.job_table_arn)
  partition = local.arn[1]
  region    = local.arn[3]
  account   = local.arn[4]

  lanes = sort(values(var.queue_arns))
  dlqs  = sort(var.dead_letter_queue_arns)
  # Reminders, and where those go that cannot be read.
  webhooks     = var.webhook_queue_arns == null ? [] : [var.webhook_queue_arns.queue]
  webhook_dlqs = var.webhook_queue_arns == null ? [] : [var.webhook_queue_arns.dead_letter]
  keys         = sort(var.kms_key_arns)
  objects      = "${var.payload_bucket_arn}/*/*"
  tasks        = var.cluster_name == null ? [] : ["arn:${local.partition}:ecs:${local.region}:${local.account}:task/${var.cluster_name}/*"]

  # The table's partitions that belong to no tenant begin with #: keys of callers, notices to workers, heartbeats, roles of workers.
  # No tenant's name begins with it.
  callers_keys = ["#keys", "#keys#*"]
  notices      = ["#notices#*"]
  heartbeats   = ["#workers"]
  sweepers     = ["#roles"]

  # KMS sees the service that asks on the caller's behalf.
  dns_suffix = local.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"
  via        = { for service in ["sqs", "s3", "dynamodb", "secretsmanager"] : service => "${service}.${local.region}.${local.dns_suffix}" }

  encryption = [
    {
      Sid       = "DecryptThroughServices"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = local.keys
      Condition = { StringEquals = { "kms:ViaService" = [local.via.dynamodb, local.via.s3, local.via.sqs] } }
    },
    {
      Sid       = "EncryptThroughServices"
      Effect    = "Allow"
      Action    = ["kms:GenerateDataKey"]
      Resource  = local.keys
      Condition = { StringEquals = { "kms:ViaService" = [local.via.s3, local.via.sqs] } }
    },
  ]

  # ECS must not assume the role for tasks of another account. Task roles with both conditions are in use (read in public
  # repositories in November 2026).
  trust_of_tasks = {
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  }
  # An execution role with them was not seen; should ECS not send the two keys for it, no task would start.
  trust_of_ecs = {
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole" }]
  }
  trust_of_lambda = {
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  }

  # A statement without a resource has nothing to grant: the list that it is made of is empty.
  policies = {
    for component, statements in {
      worker    = local.worker
      producer  = local.producer
      execution = local.execution
      operator  = local.operator
    } : component => jsonencode({ Version = "2012-10-17", Statement = [for each in statements : each if length(each.Resource) > 0] })
  }
}

resource "aws_iam_role" "worker" {
  name               = "${var.name}-worker"
  description        = "Quarry's workers"
  assume_role_policy = jsonencode(local.trust_of_tasks)
  tags               = var.tags
}

resource "aws_iam_role_policy" "worker" {
  name   = "worker"
  role   = aws_iam_role.worker.id
  policy = local.policies.worker
}

resource "aws_iam_role" "producer" {
  name               = "${var.name}-producer"
  description        = "Quarry's producer (REST API)"
  assume_role_policy = var.producer_platform == "lambda" ? jsonencode(local.trust_of_lambda) : jsonencode(local.trust_of_tasks)
  tags               = var.tags
}

resource "aws_iam_role_policy" "producer" {
  name   = "producer"
  role   = aws_iam_role.producer.id
  policy = local.policies.producer
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  description        = "ECS, while it starts Quarry's tasks"
  assume_role_policy = jsonencode(local.trust_of_ecs)
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  # By the lengths, which are known before the ARNs are.
  count = length(concat(var.repository_arns, var.log_group_arns, var.secret_arns)) > 0 ? 1 : 0

  name   = "execution"
  role   = aws_iam_role.execution.id
  policy = local.policies.execution
}
