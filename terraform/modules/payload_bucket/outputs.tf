output "name" {
  description = "Name of the bucket, for QUARRY_STORE__BUCKET."
  value       = aws_s3_bucket.payloads.id
}

output "arn" {
  description = "ARN of the bucket."
  value       = aws_s3_bucket.payloads.arn
}
