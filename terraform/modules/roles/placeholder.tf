# Placeholder with the interface of the module to come: the roles exist, and may do nothing.
variable "name" { type = string }
variable "producer_platform" { type = string }
variable "job_table_arn" { type = string }
variable "queue_arns" { type = map(string) }
variable "dead_letter_queue_arns" { type = list(string) }
variable "payload_bucket_arn" { type = string }
variable "kms_key_arns" { type = list(string) }
variable "model_arns" { type = list(string) }
variable "guardrail_arns" { type = list(string) }
variable "endpoint_arns" { type = list(string) }
variable "secret_arns" { type = list(string) }
variable "provider_secret_arns" { type = list(string) }
variable "log_group_arns" { type = list(string) }
variable "repository_arns" { type = list(string) }
variable "tags" { type = map(string) }

resource "aws_iam_role" "role" {
  for_each = { worker = "ecs-tasks", producer = var.producer_platform == "lambda" ? "lambda" : "ecs-tasks", execution = "ecs-tasks" }

  name = "${var.name}-${each.key}"
  tags = var.tags

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "${each.value}.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

output "worker_role_arn" { value = aws_iam_role.role["worker"].arn }
output "producer_role_arn" { value = aws_iam_role.role["producer"].arn }
output "execution_role_arn" { value = aws_iam_role.role["execution"].arn }
output "worker_policy_json" { value = "{}" }
output "producer_policy_json" { value = "{}" }
