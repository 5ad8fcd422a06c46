# What the workflows of GitHub Actions need before the first release: the images' repositories, and roles that are had by a token of GitHub's.
# docs/howto/delivery.md. One for each account; applied by hand.

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  issuer    = "token.actions.githubusercontent.com"

  # Which jobs may take a role: the token's subject. A job with an environment has the environment's, whatever branch it runs on.
  subjects = {
    release = ["repo:${var.repository}:ref:refs/tags/v*"]
    plan    = ["repo:${var.repository}:pull_request"]
    deploy  = [for environment in sort(var.environments) : "repo:${var.repository}:environment:${environment}"]
  }
  session_seconds = { release = 3600, plan = 3600, deploy = 7200 }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "aws_ecr_repository" "image" {
  #checkov:skip=CKV_AWS_136: encrypted under ECR's own key; images hold no secrets
  for_each = toset(["worker", "producer", "producer-lambda"])

  name = "quarry-${each.key}"
  # What was signed stays what it was.
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.provider_arn == null ? 1 : 0

  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "job" {
  for_each = local.subjects

  name                 = "quarry-ci-${each.key}"
  description          = "GitHub Actions of ${var.repository}: ${each.key}"
  max_session_duration = local.session_seconds[each.key]

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = coalesce(var.provider_arn, one(aws_iam_openid_connect_provider.github[*].arn)) }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "${local.issuer}:aud" = "sts.amazonaws.com" }
        StringLike   = { "${local.issuer}:sub" = each.value }
      }
    }]
  })
}

resource "aws_iam_role_policy" "job" {
  for_each = local.policies

  name   = each.key
  role   = aws_iam_role.job[each.key].name
  policy = jsonencode({ Version = "2012-10-17", Statement = each.value })
}

resource "aws_iam_role_policy_attachment" "job" {
  #checkov:skip=CKV_AWS_274: neither is AdministratorAccess
  for_each = {
    plan   = "ReadOnlyAccess"
    deploy = "PowerUserAccess"
  }

  role       = aws_iam_role.job[each.key].name
  policy_arn = "arn:${local.partition}:iam::aws:policy/${each.value}"
}
