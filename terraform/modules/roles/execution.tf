locals {
  log_streams = [for arn in sort(var.log_group_arns) : "${trimsuffix(arn, ":*")}:*"]

  secret_keys = distinct(concat(local.keys, sort(var.secret_key_arns)))

  # For each who reads secrets by itself; without secrets, no key is needed for them.
  secret_decryption = {
    for reader, secrets in { worker = var.provider_secret_arns, execution = var.secret_arns } : reader => [{
      Sid       = "DecryptSecrets"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = length(secrets) > 0 ? local.secret_keys : []
      Condition = { StringEquals = { "kms:ViaService" = [local.via.secretsmanager] } }
    }]
  }

  execution = concat([
    {
      # The one action here that has no resource: it gives a token, with which only what follows can be pulled.
      Sid      = "LogInToRegistry"
      Effect   = "Allow"
      Action   = ["ecr:GetAuthorizationToken"]
      Resource = length(var.repository_arns) > 0 ? ["*"] : []
    },
    {
      Sid      = "PullImages"
      Effect   = "Allow"
      Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Resource = sort(var.repository_arns)
    },
    {
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = local.log_streams
    },
    {
      Sid      = "ReadSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = sort(var.secret_arns)
    },
  ], local.secret_decryption.execution)
}
