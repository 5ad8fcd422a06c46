module "quarry" {
  source = "../.."

  worker_image    = var.worker_image
  producer_image  = var.producer_image
  certificate_arn = var.certificate_arn

  models = [{ id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", runs_in = ["us-east-1", "us-east-2", "us-west-2"] }]

  # For an emulated AWS only; without these lines it is production.
  environment         = var.emulated ? "local" : "production"
  require_tls         = !var.emulated
  deletion_protection = !var.emulated
}
