data "aws_vpc" "default" {
  default = true
}

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

module "quarry" {
  source = "../.."

  network             = { vpc_id = data.aws_vpc.default.id, private_subnet_ids = data.aws_subnets.default.ids }
  models              = [{ id = "us.amazon.nova-lite-v1:0", runs_in = ["us-east-1", "us-east-2", "us-west-2"] }]
  worker_image        = var.worker_image
  environment         = "local"
  deletion_protection = false
}
