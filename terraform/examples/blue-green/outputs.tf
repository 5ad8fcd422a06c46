output "service_name" {
  description = "Name of the API's ECS service."
  value       = aws_ecs_service.producer.name
}
