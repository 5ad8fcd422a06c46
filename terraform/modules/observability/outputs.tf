output "log_group_names" {
  description = "Names of the log groups: `worker`, `producer`."
  value       = { for component, group in aws_cloudwatch_log_group.component : component => group.name }
}

output "log_group_arns" {
  description = "ARNs of the log groups: `worker`, `producer`."
  value       = { for component, group in aws_cloudwatch_log_group.component : component => group.arn }
}

output "topic_arn" {
  description = "ARN of the topic that alarms go to."
  value       = aws_sns_topic.alarms.arn
}

output "namespace" {
  description = "CloudWatch namespace that the processes are to write to (`QUARRY_EMF__NAMESPACE`); null where they are not."
  value       = var.measured ? local.namespace : null
}

output "dashboard_name" {
  description = "Name of the dashboard; null where there is none."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}

output "alarm_names" {
  description = "Names of all alarms, by what they are about."
  value = merge(
    { for name, alarm in aws_cloudwatch_metric_alarm.above : name => alarm.alarm_name },
    { for alarm in aws_cloudwatch_metric_alarm.workers_missing : "workers-missing" => alarm.alarm_name },
    { for alarm in aws_cloudwatch_metric_alarm.api_gone : "api-gone" => alarm.alarm_name },
    { for alarm in aws_cloudwatch_metric_alarm.model_slow : "model-slow" => alarm.alarm_name },
    { for alarm in aws_cloudwatch_metric_alarm.model_errors : "model-errors" => alarm.alarm_name },
  )
}

# What a new version may be to blame for, and what ends when it is gone: dead letters, by contrast, stay until somebody looks.
output "deployment_alarm_names" {
  description = "Names of the alarms that should roll a deployment back: `worker`, `producer`."
  value = {
    worker   = [for name in ["target-blocked", "worker-faults"] : aws_cloudwatch_metric_alarm.above[name].alarm_name]
    producer = [for name in ["api-errors", "api-faults"] : aws_cloudwatch_metric_alarm.above[name].alarm_name]
  }
}
