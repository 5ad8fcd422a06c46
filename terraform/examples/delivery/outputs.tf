# For the settings of the repository.

output "release_role_arn" {
  description = "RELEASE_ROLE_ARN."
  value       = aws_iam_role.job["release"].arn
}

output "plan_role_arn" {
  description = "PLAN_ROLE_ARN."
  value       = aws_iam_role.job["plan"].arn
}

output "deploy_role_arn" {
  description = "DEPLOY_ROLE_ARN."
  value       = aws_iam_role.job["deploy"].arn
}

output "registry" {
  description = "Where images are pushed to."
  value       = "${local.account}.dkr.ecr.${data.aws_region.current.name}.amazonaws.com"
}
