locals {
  # The names that `quarry/settings/queue.py` derives from the normal lane's: QUARRY_QUEUE__NAME is all that the services are told.
  lanes = {
    high   = "${var.name}-high"
    normal = var.name
    low    = "${var.name}-low"
  }

  # A message reappears when the lease behind it has just become claimable: the lease, and the margin for clocks
  # (`visibility_for` in quarry/queue/base.py).
  clock_margin_seconds = 5
  visibility_seconds   = var.lease_seconds + local.clock_margin_seconds

  # SQS's longest. In a dead-letter queue a message keeps the date of its first sending.
  retention_seconds = 14 * 24 * 60 * 60

  # The budget that counts is the job's; this is a backstop, set high (MAX_RECEIVE_COUNT in quarry/provision.py).
  max_receive_count = 1000

  # Longer than the longest call to a receiver (REMINDER_VISIBILITY in quarry/queue/base.py).
  reminder_visibility_seconds = 90

  beside = {
    dead_letter          = aws_sqs_queue.dead_letter
    webhooks             = aws_sqs_queue.webhooks
    webhooks_dead_letter = aws_sqs_queue.webhooks_dead_letter
  }
  queue_arns = merge({ for lane, queue in aws_sqs_queue.lane : lane => queue.arn }, { for name, queue in local.beside : name => queue.arn })
  queue_urls = merge({ for lane, queue in aws_sqs_queue.lane : lane => queue.url }, { for name, queue in local.beside : name => queue.url })
}

resource "aws_sqs_queue" "dead_letter" {
  name                              = "${var.name}-dlq"
  message_retention_seconds         = local.retention_seconds
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  tags                              = var.tags
}

resource "aws_sqs_queue" "lane" {
  for_each = local.lanes

  name                              = each.value
  visibility_timeout_seconds        = local.visibility_seconds
  message_retention_seconds         = local.retention_seconds
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  tags                              = merge(var.tags, { lane = each.key })

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = local.max_receive_count
  })
}

# Only the lanes may send their dead letters there.
resource "aws_sqs_queue_redrive_allow_policy" "dead_letter" {
  queue_url = aws_sqs_queue.dead_letter.url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [for lane in sort(keys(local.lanes)) : aws_sqs_queue.lane[lane].arn]
  })
}

# Reminders: what has the ends of jobs told, by webhooks and events.
resource "aws_sqs_queue" "webhooks_dead_letter" {
  name                              = "${var.name}-webhooks-dlq"
  message_retention_seconds         = local.retention_seconds
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  tags                              = var.tags
}

resource "aws_sqs_queue" "webhooks" {
  name                              = "${var.name}-webhooks"
  visibility_timeout_seconds        = local.reminder_visibility_seconds
  message_retention_seconds         = local.retention_seconds
  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : 300
  tags                              = var.tags

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.webhooks_dead_letter.arn
    maxReceiveCount     = local.max_receive_count
  })
}

resource "aws_sqs_queue_redrive_allow_policy" "webhooks_dead_letter" {
  queue_url = aws_sqs_queue.webhooks_dead_letter.url

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.webhooks.arn]
  })
}

resource "aws_sqs_queue_policy" "tls_only" {
  for_each = var.require_tls ? toset(concat(keys(local.lanes), ["dead_letter", "webhooks", "webhooks_dead_letter"])) : toset([])

  queue_url = local.queue_urls[each.key]

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = local.queue_arns[each.key]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
