# Where logs go, who is told, and of what. Each alarm has a page in docs/runbooks that says what to do.

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  namespace = "Quarry/${var.name}"

  # What logs tell and no metric of AWS does; names of events are those of docs/reference/events.md.
  # `over`: what repeats itself while a service is away is worth an alarm only when it does; the rest is told once.
  counted = {
    "target-blocked" = { component = "worker", over = 0, events = ["target.blocked"] }
    "worker-faults"  = { component = "worker", over = 0, events = ["delivery.failed", "record.refused", "record.abandoned"] }
    "worker-cut-off" = { component = "worker", over = 10, events = ["receive.failed", "sweep.failed"] }
    "api-faults"     = { component = "producer", over = 0, events = ["request.failed", "audit.failed"] }
    "api-cut-off"    = { component = "producer", over = 0, events = ["dependency.lost"] }
  }
}

resource "aws_cloudwatch_log_group" "component" {
  for_each = toset(["worker", "producer"])

  name              = "/quarry/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_cloudwatch_log_metric_filter" "event" {
  for_each = local.counted

  name           = "${var.name}-${each.key}"
  log_group_name = aws_cloudwatch_log_group.component[each.value.component].name
  pattern        = "{ ${join(" || ", [for event in each.value.events : "($.event = \"${event}\")"])} }"

  metric_transformation {
    namespace     = local.namespace
    name          = each.key
    value         = "1"
    default_value = "0"
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "AlarmsOfThisAccount"
      Effect    = "Allow"
      Principal = { Service = "cloudwatch.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}
