# Indexed, not by splat: then who asks for `errors` (the alarms) waits for the load balancer only, and not for the service, which
# waits for the alarms.
locals {
  ecs = var.runs_on == "ecs"
}

output "url" {
  description = "Where the API answers. With a certificate, under its name, which has to point to `dns_name`."
  value       = local.ecs ? module.ecs[0].url : module.lambda[0].url
}

output "dns_name" {
  description = "Host name of the load balancer, or of the HTTP API."
  value       = local.ecs ? module.ecs[0].dns_name : module.lambda[0].dns_name
}

output "zone_id" {
  description = "Hosted zone of the load balancer's name, for an alias record; null for a function."
  value       = local.ecs ? module.ecs[0].zone_id : null
}

output "service_name" {
  description = "Name of the ECS service; null for a function."
  value       = local.ecs ? module.ecs[0].service_name : null
}

output "task_definition_arn" {
  description = "Revision that the service should run: after a rollback it runs another one; null for a function."
  value       = local.ecs ? module.ecs[0].task_definition_arn : null
}

output "function_name" {
  description = "Name of the function; null for tasks."
  value       = local.ecs ? null : module.lambda[0].function_name
}

output "errors" {
  description = "The metric that counts the API's own errors: `namespace`, `metric`, `dimensions`."
  value       = local.ecs ? module.ecs[0].errors : module.lambda[0].errors
}

output "load_balancer" {
  description = "What CloudWatch calls load balancer and target group: `name`, `target_group`; null for a function."
  value       = local.ecs ? module.ecs[0].load_balancer : null
}

output "environment" {
  description = "The producer's environment, without secrets."
  value       = local.ecs ? module.ecs[0].environment : module.lambda[0].environment
}
