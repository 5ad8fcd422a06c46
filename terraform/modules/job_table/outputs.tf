output "name" {
  description = "Name of the table, for QUARRY_STORE__TABLE."
  value       = aws_dynamodb_table.jobs.name
}

output "arn" {
  description = "ARN of the table; its indexes are ARN/index/*."
  value       = aws_dynamodb_table.jobs.arn
}
