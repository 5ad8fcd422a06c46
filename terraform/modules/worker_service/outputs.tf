output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.worker.name
}

output "task_definition_arn" {
  description = "ARN of the task definition's current revision."
  value       = aws_ecs_task_definition.worker.arn
}

output "security_group_id" {
  description = "Security group of the tasks."
  value       = aws_security_group.worker.id
}

output "environment" {
  description = "The worker's environment, without secrets."
  value       = local.environment
}
