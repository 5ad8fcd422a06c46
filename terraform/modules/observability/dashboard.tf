# One page with everything. Its text is a template without any logic, so that a test reads the names in it, and so that whoever has
# no Terraform can fill it in by hand.

locals {
  alarm_arns = concat(
    [for name in sort(keys(aws_cloudwatch_metric_alarm.above)) : aws_cloudwatch_metric_alarm.above[name].arn],
    aws_cloudwatch_metric_alarm.workers_missing[*].arn,
    aws_cloudwatch_metric_alarm.api_gone[*].arn,
    aws_cloudwatch_metric_alarm.model_slow[*].arn,
    aws_cloudwatch_metric_alarm.model_errors[*].arn,
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.measured ? 1 : 0

  dashboard_name = var.name
  dashboard_body = templatefile("${path.module}/dashboard.json.tftpl", {
    namespace          = local.namespace
    region             = data.aws_region.current.name
    queue_high         = var.queue_names["high"]
    queue_normal       = var.queue_names["normal"]
    queue_low          = var.queue_names["low"]
    dead_letter_queue  = var.dead_letter_queue_name
    cluster            = var.cluster_name
    worker_service     = var.worker_service_name
    worker_log_group   = aws_cloudwatch_log_group.component["worker"].name
    producer_log_group = aws_cloudwatch_log_group.component["producer"].name
    alarm_arns         = jsonencode(local.alarm_arns)
  })
}
