# Alarms on what the workers measure and write into their log (embedded metric format); they are there where that is asked for.

locals {
  # Of the log groups, for CloudWatch takes a line of metrics, or leaves it out as a whole.
  refused = {
    for component in var.measured ? ["worker", "producer"] : [] : "metrics-refused-${component}" => {
      runbook    = "metrics-refused"
      says       = "CloudWatch refuses lines of metrics of the ${component}"
      namespace  = "AWS/Logs"
      metric     = "EMFValidationErrors"
      dimensions = { LogGroupName = aws_cloudwatch_log_group.component[component].name }
      statistic  = "Sum"
      over       = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "model_slow" {
  count = var.measured ? 1 : 0

  alarm_name          = "${var.name}-model-slow"
  alarm_description   = "A tenth of the model calls takes longer than ${var.slow_call_seconds} s. What to do: ${var.runbooks_url}/model-slow.md"
  namespace           = local.namespace
  metric_name         = "ModelLatency"
  dimensions          = { Service = "worker" }
  extended_statistic  = "p90"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.slow_call_seconds
  period              = 300
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  # Of a handful of calls, one would be a tenth.
  evaluate_low_sample_count_percentiles = "ignore"
  treat_missing_data                    = "notBreaching"
  alarm_actions                         = [aws_sns_topic.alarms.arn]
  ok_actions                            = [aws_sns_topic.alarms.arn]
  tags                                  = var.tags
}

resource "aws_cloudwatch_metric_alarm" "model_errors" {
  count = var.measured ? 1 : 0

  alarm_name          = "${var.name}-model-errors"
  alarm_description   = "More than ${var.failed_calls_percent} % of the model calls fail. What to do: ${var.runbooks_url}/model-errors.md"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.failed_calls_percent
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
  tags                = var.tags

  # Throttles are no failures: the limiters look for the quota. Of fewer than twenty calls, no share is told.
  metric_query {
    id          = "share"
    label       = "failed calls (%)"
    expression  = "IF(calls >= 20, 100 * (FILL(errors, 0) - FILL(throttles, 0)) / calls, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { calls = "ModelCalls", errors = "ModelErrors", throttles = "Throttles" }

    content {
      id = metric_query.key

      metric {
        namespace   = local.namespace
        metric_name = metric_query.value
        dimensions  = { Service = "worker" }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}
