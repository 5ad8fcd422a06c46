output "api_url" {
  description = "Where the API answers; with a certificate, under its name, which has to point to `api_dns_name`."
  value       = module.producer_service.url
}

output "api_dns_name" {
  description = "Host name of the load balancer, or of the HTTP API."
  value       = module.producer_service.dns_name
}

output "api_zone_id" {
  description = "Hosted zone of the load balancer's name, for an alias record; null on Lambda."
  value       = module.producer_service.zone_id
}

output "operator_environment" {
  description = "What `quarry keys`, `quarry dlq` and `quarry doctor` need in their environment."
  value       = merge(local.environment, local.producer_environment, { AWS_REGION = data.aws_region.current.name })
}

output "worker_environment" {
  description = "The workers' environment, without secrets."
  value       = module.worker_service.environment
}

output "producer_environment" {
  description = "The API's environment, without secrets."
  value       = module.producer_service.environment
}

output "queue_names" {
  description = "Names of the lanes' queues: `high`, `normal`, `low`."
  value       = module.queues.queue_names
}

output "dead_letter_queue_name" {
  description = "Name of the dead-letter queue."
  value       = module.queues.dead_letter_queue_name
}

output "table_name" {
  description = "Name of the job table."
  value       = module.job_table.name
}

output "bucket_name" {
  description = "Name of the bucket."
  value       = module.payload_bucket.name
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "worker_service_name" {
  description = "Name of the workers' ECS service."
  value       = module.worker_service.service_name
}

output "worker_task_definition_arn" {
  description = "Revision that the workers should run: after a rollback they run another one."
  value       = module.worker_service.task_definition_arn
}

output "producer_service_name" {
  description = "Name of the API's ECS service; null on Lambda."
  value       = module.producer_service.service_name
}

output "producer_task_definition_arn" {
  description = "Revision that the API should run, likewise; null on Lambda."
  value       = module.producer_service.task_definition_arn
}

output "worker_security_group_id" {
  description = "Security group of the workers."
  value       = module.worker_service.security_group_id
}

output "model_arns" {
  description = "What the workers may call."
  value       = local.model_arns
}

output "worker_policy_json" {
  description = "What a worker may do."
  value       = module.roles.worker_policy_json
}

output "producer_policy_json" {
  description = "What the API may do."
  value       = module.roles.producer_policy_json
}

output "operator_policy_json" {
  description = "What a person needs for `quarry dlq`, `quarry keys` and `quarry doctor`: attach it to a role of your own."
  value       = module.roles.operator_policy_json
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard; null where there is none."
  value       = module.observability.dashboard_name
}

output "alarm_topic_arn" {
  description = "ARN of the topic that alarms go to."
  value       = module.observability.topic_arn
}

output "alarm_names" {
  description = "Names of all alarms, by what they are about."
  value       = module.observability.alarm_names
}

output "jobs_per_task" {
  description = "How many jobs, waiting or under way, one worker works off in the acceptable latency."
  value       = module.autoscaling.jobs_per_task
}

output "worker_ceiling" {
  description = "Workers that there are at most: `max_tasks`, or what the quota feeds where that is less."
  value       = module.autoscaling.worker_ceiling
}

output "visibility_seconds" {
  description = "Visibility timeout of the lanes' queues: the lease, and a margin for clocks."
  value       = module.queues.visibility_seconds
}
