# One row for each alarm: what it watches, and from where on. `runbook` is the page's name in docs/runbooks.

locals {
  lanes_late = {
    for lane, seconds in var.late_seconds : "jobs-wait-${lane}" => {
      runbook    = "jobs-wait"
      says       = "The oldest job of lane ${lane} waits longer than ${seconds} s"
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = var.queue_names[lane] }
      statistic  = "Maximum"
      over       = seconds
    }
  }

  counted_events = {
    for name, each in local.counted : name => {
      runbook    = name
      says       = "Logs have ${join(", ", each.events)}"
      namespace  = local.namespace
      metric     = name
      dimensions = {}
      statistic  = "Sum"
      over       = each.over
    }
  }

  table_events = {
    for kind in ["Read", "Write"] : "table-throttled-${lower(kind)}s" => {
      runbook    = "table-throttled"
      says       = "DynamoDB throttles ${lower(kind)}s of the job table"
      namespace  = "AWS/DynamoDB"
      metric     = "${kind}ThrottleEvents"
      dimensions = { TableName = var.table_name }
      statistic  = "Sum"
      over       = 0
    }
  }

  # What the load balancer answers itself, because no task did.
  unanswered = {
    for name in var.api_load_balancer == null ? [] : ["api-gone-unanswered"] : name => {
      runbook    = "api-gone"
      says       = "The load balancer answers with errors, because no task of the API did"
      namespace  = "AWS/ApplicationELB"
      metric     = "HTTPCode_ELB_5XX_Count"
      dimensions = { LoadBalancer = var.api_load_balancer.name }
      statistic  = "Sum"
      over       = var.api_errors_in_five_minutes
    }
  }

  # Reminders that are due and that nobody takes, and those that nobody can read. One that waits for its next try is delayed at most
  # 15 minutes at a time.
  webhooks = var.webhook_queue_names == null ? {} : {
    "webhooks-wait" = {
      runbook    = "webhooks-wait"
      says       = "Nobody sees to webhooks and events"
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = var.webhook_queue_names.queue }
      statistic  = "Maximum"
      over       = 3600
    }
    "webhooks-dead" = {
      runbook    = "webhooks-dead"
      says       = "Reminders of webhooks and events could not be read"
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.webhook_queue_names.dead_letter }
      statistic  = "Maximum"
      over       = 0
    }
  }

  alarms = merge(local.lanes_late, local.webhooks, local.counted_events, local.table_events, local.unanswered, local.refused, {
    "dead-letters" = {
      runbook    = "dead-letters"
      says       = "Jobs have failed for good"
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.dead_letter_queue_name }
      statistic  = "Maximum"
      over       = 0
    }
    "api-errors" = {
      runbook    = "api-errors"
      says       = "The API answers with errors of its own"
      namespace  = var.api_errors.namespace
      metric     = var.api_errors.metric
      dimensions = var.api_errors.dimensions
      statistic  = "Sum"
      over       = var.api_errors_in_five_minutes
    }
  })
}

resource "aws_cloudwatch_metric_alarm" "above" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.says}. What to do: ${var.runbooks_url}/${each.value.runbook}.md"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.over
  period              = 300
  evaluation_periods  = 1
  # Where nothing happens, AWS publishes nothing.
  treat_missing_data = "notBreaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
  tags               = var.tags
}

# Where there may be none, none is not missing; that jobs wait is what tells.
resource "aws_cloudwatch_metric_alarm" "workers_missing" {
  count = var.min_workers > 0 ? 1 : 0

  alarm_name          = "${var.name}-workers-missing"
  alarm_description   = "Fewer than ${var.min_workers} workers run. What to do: ${var.runbooks_url}/workers-missing.md"
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = var.cluster_name, ServiceName = var.worker_service_name }
  statistic           = "Maximum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.min_workers
  period              = 60
  evaluation_periods  = 10
  # Nobody counts what is not there.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
  tags               = var.tags
}

resource "aws_cloudwatch_metric_alarm" "api_gone" {
  count = var.api_load_balancer == null ? 0 : 1

  alarm_name          = "${var.name}-api-gone"
  alarm_description   = "No task of the API is healthy. What to do: ${var.runbooks_url}/api-gone.md"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = var.api_load_balancer.name, TargetGroup = var.api_load_balancer.target_group }
  statistic           = "Maximum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 3
  # A group without any task publishes nothing.
  treat_missing_data = "breaching"
  alarm_actions      = [aws_sns_topic.alarms.arn]
  ok_actions         = [aws_sns_topic.alarms.arn]
  tags               = var.tags
}
