# Everything that there is: a key of its own, Spot, two models of several regions' profiles, backups, versions, metrics for a
# Prometheus, alarms by mail.

module "quarry" {
  source = "../.."

  name        = var.name
  environment = var.emulated ? "local" : var.environment

  # Images and who calls.
  worker_image    = var.worker_image
  producer_image  = var.producer_image
  runs_on         = var.runs_on
  certificate_arn = var.certificate_arn
  authentication  = "api_key"
  allowed_cidrs   = var.allowed_cidrs

  models = [
    { id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", runs_in = ["us-east-1", "us-east-2", "us-west-2"] },
    { id = "us.amazon.nova-lite-v1:0", runs_in = ["us-east-1", "us-east-2", "us-west-2"] },
  ]

  # How much.
  slots                      = var.slots
  min_tasks                  = var.min_tasks
  max_tasks                  = 20
  typical_job_seconds        = 15
  acceptable_latency_seconds = 60
  on_demand_base             = 1
  on_demand_weight           = 1
  spot_weight                = 3
  drain_seconds              = var.drain_seconds
  stop_timeout_seconds       = 120

  # What is kept, and under which key.
  kms_key_arn         = aws_kms_key.quarry.arn
  retention_days      = 30
  payload_versioning  = true
  backup_days         = 35
  log_retention_days  = 90
  deletion_protection = var.deletion_protection
  require_tls         = !var.emulated

  # Who watches.
  alarm_emails    = var.alarm_emails
  metrics_readers = { prometheus = aws_security_group.prometheus.id }

  settings          = var.settings
  worker_settings   = var.worker_settings
  producer_settings = var.producer_settings
  worker_secrets    = var.worker_secrets

  network = {
    vpc_id             = module.network.vpc_id
    private_subnet_ids = module.network.private_subnet_ids
    public_subnet_ids  = module.network.public_subnet_ids
    internet           = false
  }
}

# The root module would make such a network by itself: it is made here because Prometheus lives in it too.
module "network" {
  source = "../../modules/network"

  name  = var.name
  zones = 3
}

resource "aws_security_group" "prometheus" {
  #checkov:skip=CKV2_AWS_5: it is for a Prometheus that is not made here

  name        = "${var.name}-prometheus"
  description = "A Prometheus of yours, which reads the metrics of API and workers"
  vpc_id      = module.network.vpc_id
}
