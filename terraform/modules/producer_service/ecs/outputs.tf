output "url" {
  description = "Where the API answers."
  value       = "${local.tls ? "https" : "http"}://${aws_lb.producer.dns_name}"
}

output "dns_name" {
  description = "Host name of the load balancer."
  value       = aws_lb.producer.dns_name
}

output "zone_id" {
  description = "Hosted zone of that name."
  value       = aws_lb.producer.zone_id
}

output "service_name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.producer.name
}

output "task_definition_arn" {
  description = "Revision that the service should run: after a rollback it runs another one."
  value       = aws_ecs_task_definition.producer.arn
}

output "errors" {
  description = "The metric that counts the API's own errors."
  value = {
    namespace  = "AWS/ApplicationELB"
    metric     = "HTTPCode_Target_5XX_Count"
    dimensions = { LoadBalancer = aws_lb.producer.arn_suffix }
  }
}

output "load_balancer" {
  description = "What CloudWatch calls load balancer and target group."
  value       = { name = aws_lb.producer.arn_suffix, target_group = aws_lb_target_group.producer.arn_suffix }
}

output "environment" {
  description = "The producer's environment, without secrets."
  value       = local.environment
}
