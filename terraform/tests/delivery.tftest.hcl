# Who may deploy: examples/delivery, whose roles are had by a token of GitHub's.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  repository        = "acme/quarry"
  plan_state_bucket = "acme-states"
  plan_state_key    = "staging/quarry"
  provider_arn      = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
}

run "delivery_roles_by_subject" {
  command = plan

  module {
    source = "./examples/delivery"
  }

  assert {
    condition = { for name, role in aws_iam_role.job : name => jsondecode(role.assume_role_policy).Statement[0].Condition.StringLike["token.actions.githubusercontent.com:sub"] } == {
      release = ["repo:acme/quarry:ref:refs/tags/v*"]
      plan    = ["repo:acme/quarry:pull_request"]
      deploy  = ["repo:acme/quarry:environment:production", "repo:acme/quarry:environment:staging"]
    }
    error_message = "A tag may release, a pull request may plan, an environment may deploy; nobody else may do anything."
  }
  assert {
    condition     = alltrue([for role in aws_iam_role.job : jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"])
    error_message = "A token that was made for somebody else opens nothing."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.job["plan"].policy).Statement : statement.Effect == "Deny"])
    error_message = "The plan's role has ReadOnlyAccess, less what is denied, and nothing more."
  }
  assert {
    condition     = length(setsubtract(["dynamodb:Query", "logs:GetLogEvents", "secretsmanager:GetSecretValue", "sqs:ReceiveMessage"], jsondecode(aws_iam_role_policy.job["plan"].policy).Statement[0].Action)) == 0
    error_message = "Who opens a pull request reads no jobs, logs, secrets or messages."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.job["plan"].policy).Statement[1].NotResource == ["arn:aws:s3:::acme-states/staging/quarry"]
    error_message = "One state is all that a plan reads of buckets."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.job["deploy"].policy).Statement : alltrue([for arn in statement.Resource : can(regex(":role/quarry-(worker|producer|execution|backup)$", arn))])])
    error_message = "A deployment makes the module's roles, and names no other."
  }
  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && jsondecode(aws_iam_role.job["plan"].assume_role_policy).Statement[0].Principal.Federated == var.provider_arn
    error_message = "An account has one provider of an issuer at most."
  }
  assert {
    condition     = alltrue([for each in aws_ecr_repository.image : each.image_tag_mutability == "IMMUTABLE"])
    error_message = "What was signed stays what it was."
  }
}

run "delivery_with_a_provider_of_its_own" {
  command = plan

  module {
    source = "./examples/delivery"
  }

  variables {
    provider_arn = null
  }

  assert {
    condition     = aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "Where the account has none, it is made."
  }
}

run "refuses_any_repository" {
  # Says: a wildcard would let others in
  command = plan

  module {
    source = "./examples/delivery"
  }

  variables {
    repository = "acme/*"
  }

  expect_failures = [var.repository]
}

run "refuses_any_state" {
  # Says: a wildcard would open others
  command = plan

  module {
    source = "./examples/delivery"
  }

  variables {
    plan_state_key = "*"
  }

  expect_failures = [var.plan_state_key]
}

run "refuses_any_environment" {
  # Says: it would let jobs in that nobody approves
  command = plan

  module {
    source = "./examples/delivery"
  }

  variables {
    environments = ["*"]
  }

  expect_failures = [var.environments]
}
