output "worker_role_arn" {
  description = "ARN of the workers' task role."
  value       = aws_iam_role.worker.arn

  # Who uses the role needs what it grants: from the first moment to the last.
  depends_on = [aws_iam_role_policy.worker]
}

output "producer_role_arn" {
  description = "ARN of the producer's task role, or of its function's role."
  value       = aws_iam_role.producer.arn

  # Who uses the role needs what it grants: from the first moment to the last.
  depends_on = [aws_iam_role_policy.producer]
}

output "execution_role_arn" {
  description = "ARN of the role with which ECS starts the tasks."
  value       = aws_iam_role.execution.arn

  # Who uses the role needs what it grants: from the first moment to the last.
  depends_on = [aws_iam_role_policy.execution]
}

output "worker_policy_json" {
  description = "What a worker may do."
  value       = local.policies.worker
}

output "producer_policy_json" {
  description = "What a producer may do."
  value       = local.policies.producer
}

output "execution_policy_json" {
  description = "What ECS may do while it starts a task."
  value       = local.policies.execution
}

output "operator_policy_json" {
  description = "What a person needs for quarry dlq, quarry erase, quarry keys and quarry doctor: attach it to a role of your own."
  value       = local.policies.operator
}
