# What each role may do, beside AWS's own policies that are attached to it.

locals {
  repositories = [for each in aws_ecr_repository.image : each.arn]
  state        = "arn:${local.partition}:s3:::${var.plan_state_bucket}/${var.plan_state_key}"
  # What the module makes, by the names that it gives; the roles of this example are not among them.
  module_roles = [for part in ["worker", "producer", "execution", "backup"] : "arn:${local.partition}:iam::${local.account}:role/${var.name}-${part}"]

  registry = {
    Sid      = "LogInToRegistry"
    Effect   = "Allow"
    Action   = ["ecr:GetAuthorizationToken"]
    Resource = ["*"]
  }
  # To read an image is to read its signature.
  pull = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

  policies = {
    release = [
      local.registry,
      {
        Sid      = "PushImages"
        Effect   = "Allow"
        Action   = concat(local.pull, ["ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"])
        Resource = local.repositories
      },
    ]

    # ReadOnlyAccess reads what is in tables and buckets too: whoever opens a pull request would see prompts and answers.
    plan = [
      {
        Sid    = "ReadNoContent"
        Effect = "Deny"
        Action = [
          "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:GetRecords", "dynamodb:PartiQLSelect", "dynamodb:Query", "dynamodb:Scan",
          "kms:Decrypt", "lambda:InvokeFunction",
          "logs:FilterLogEvents", "logs:GetLogEvents", "logs:GetLogRecord", "logs:GetQueryResults", "logs:StartLiveTail", "logs:StartQuery", "logs:Unmask",
          "secretsmanager:GetSecretValue", "sqs:ReceiveMessage", "ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath",
        ]
        Resource = ["*"]
      },
      {
        Sid         = "ReadNoObjectButOneState"
        Effect      = "Deny"
        Action      = ["s3:GetObject", "s3:GetObjectVersion"]
        NotResource = [local.state]
      },
    ]

    # Beside PowerUserAccess, which has nothing of IAM: the roles of the module, for the services that they are for.
    deploy = [
      {
        Sid    = "MakeRolesOfTheModule"
        Effect = "Allow"
        Action = [
          "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:GetRole", "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies", "iam:PutRolePolicy", "iam:TagRole", "iam:UntagRole",
          "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
        ]
        Resource = local.module_roles
      },
      {
        Sid       = "HandThemToServices"
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = local.module_roles
        Condition = { StringEquals = { "iam:PassedToService" = ["backup.amazonaws.com", "ecs-tasks.amazonaws.com", "lambda.amazonaws.com"] } }
      },
    ]
  }
}
