# Which ARNs a worker may call, of the models that the routes name.
#
# An id with a geographic prefix is an inference profile: a call needs the profile, and the foundation model behind it, both in the
# region that it is called from, and the model in each region that the profile leads to; behind a global one it has an ARN without
# a region. Source: the Bedrock User Guide, "Geographic cross-Region inference" (November 2026). `called_from` are those regions.
# A profile's ARN needs the same, and does not tell its model: `model` does. It is called in the ARN's region.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  bedrock = "arn:${data.aws_partition.current.partition}:bedrock"
  account = data.aws_caller_identity.current.account_id

  models = [for model in var.models : merge(model, {
    profile = can(regex(local.profile, model.id)) || can(regex(local.profile_arn, model.id))
    # What follows the prefix.
    model = replace(coalesce(model.model, model.id), "/${local.profile}/", "")
    # Of an ARN, the region that it is called in.
    regions = startswith(model.id, "arn:") ? [split(":", model.id)[3]] : coalesce(model.called_from, [data.aws_region.current.name])
    global  = startswith(coalesce(model.model, model.id), "global.") || strcontains(model.id, ":inference-profile/global.")
  })]

  profile_arn = "^arn:.*:(application-)?inference-profile/"
  profile     = "^(us|us-gov|eu|apac|jp|au|ca|global)\\."

  model_arns = distinct(flatten([for model in local.models : (
    startswith(model.id, "arn:") && !can(regex(local.profile_arn, model.id)) ? [model.id]
    : !model.profile ? [for region in model.regions : "${local.bedrock}:${region}::foundation-model/${model.id}"]
    : concat(
      startswith(model.id, "arn:") ? [model.id] : [for region in model.regions : "${local.bedrock}:${region}:${local.account}:inference-profile/${model.id}"],
      [for region in distinct(concat(model.regions, model.runs_in)) : "${local.bedrock}:${region}::foundation-model/${model.model}"],
      model.global ? ["${local.bedrock}:::foundation-model/${model.model}"] : [],
    )
  )]))
}
