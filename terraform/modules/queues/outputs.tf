output "name" {
  description = "Name of the normal lane's queue, for QUARRY_QUEUE__NAME."
  value       = aws_sqs_queue.lane["normal"].name
}

output "queue_arns" {
  description = "ARNs of the lanes' queues: `high`, `normal`, `low`."
  value       = { for lane, queue in aws_sqs_queue.lane : lane => queue.arn }
}

output "queue_names" {
  description = "Names of the lanes' queues: `high`, `normal`, `low`."
  value       = { for lane, queue in aws_sqs_queue.lane : lane => queue.name }
}

output "queue_urls" {
  description = "URLs of the lanes' queues: `high`, `normal`, `low`."
  value       = { for lane, queue in aws_sqs_queue.lane : lane => queue.url }
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.arn
}

output "dead_letter_queue_name" {
  description = "Name of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.name
}

output "webhooks" {
  description = "The queue of reminders, which have the ends of jobs told, and its dead-letter queue: `arn`, `name`, `dead_letter_arn`, `dead_letter_name`."
  value = {
    arn              = aws_sqs_queue.webhooks.arn
    name             = aws_sqs_queue.webhooks.name
    dead_letter_arn  = aws_sqs_queue.webhooks_dead_letter.arn
    dead_letter_name = aws_sqs_queue.webhooks_dead_letter.name
  }
}

output "visibility_seconds" {
  description = "Visibility timeout of the lanes' queues: the lease, and a margin for clocks."
  value       = local.visibility_seconds
}
