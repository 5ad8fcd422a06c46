output "api_url" {
  description = "Where the API answers."
  value       = module.quarry.api_url
}

output "operator_environment" {
  description = "What `quarry keys` and `quarry dlq` need in their environment."
  value       = module.quarry.operator_environment
}

output "quarry" {
  description = "All outputs of the module."
  value       = module.quarry
}
