# What the commands of operators, and workflows that deploy, ask for.

output "api_url" {
  description = "Where the API answers."
  value       = module.quarry.api_url
}

output "api_dns_name" {
  description = "Host name of the load balancer, to which the certificate's name has to point."
  value       = module.quarry.api_dns_name
}

output "operator_environment" {
  description = "What `quarry keys`, `quarry dlq` and `quarry doctor` need in their environment."
  value       = module.quarry.operator_environment
}

output "cluster_name" {
  description = "Name of the ECS cluster."
  value       = module.quarry.cluster_name
}

output "worker_service_name" {
  description = "Name of the workers' ECS service."
  value       = module.quarry.worker_service_name
}

output "producer_service_name" {
  description = "Name of the API's ECS service."
  value       = module.quarry.producer_service_name
}

output "worker_task_definition_arn" {
  description = "Revision that the workers should run: after a rollback they run another one."
  value       = module.quarry.worker_task_definition_arn
}

output "producer_task_definition_arn" {
  description = "Revision that the API should run, likewise."
  value       = module.quarry.producer_task_definition_arn
}
