output "worker_ceiling" {
  description = "Workers that there are at most: `max_tasks`, or what the quota feeds where that is less."
  value       = local.highest
}

output "worker_floor" {
  description = "Workers that there are always, unless a schedule says otherwise."
  value       = local.floor
}

output "jobs_per_task" {
  description = "How many jobs, waiting or under way, one worker works off in the acceptable latency."
  value       = local.jobs_per_task
}

output "alarm_names" {
  description = "Names of the alarms that call scaling policies, by what they are for."
  value       = { for name, alarm in aws_cloudwatch_metric_alarm.step : name => alarm.alarm_name }
}
