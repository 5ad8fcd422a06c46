# Which ARNs a worker may call, of the models that the routes name.
#
# An id with a geographic prefix is an inference profile: a call needs the profile, and the foundation model behind it, both in the
# region that it is called from, and the model in each region that the profile leads to; behind a global one it has an ARN without
# a region. Source: the Bedrock User Guide, "Geographic cross-Region inference" (November 2026). `called_from` are those regions.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  bedrock = "arn:${data.aws_partition.current.partition}:bedrock"
  account = data.aws_caller_identity.current.account_id

  models = [for model in var.models : merge(model, {
    calls   = coalesce(model.called_from, [data.aws_region.current.name])
    profile = can(regex(local.profile, model.id))
    # What follows the prefix.
    model = replace(model.id, "/${local.profile}/", "")
  })]

  profile = "^(us|us-gov|eu|apac|jp|au|ca|global)\\."

  model_arns = distinct(flatten([for model in local.models : (
    startswith(model.id, "arn:") ? [model.id] : model.profile ? concat(
      [for region in model.calls : "${local.bedrock}:${region}:${local.account}:inference-profile/${model.id}"],
      [for region in distinct(concat(model.calls, model.runs_in)) : "${local.bedrock}:${region}::foundation-model/${model.model}"],
      startswith(model.id, "global.") ? ["${local.bedrock}:::foundation-model/${model.model}"] : [],
    ) : [for region in model.calls : "${local.bedrock}:${region}::foundation-model/${model.id}"]
  )]))
}
