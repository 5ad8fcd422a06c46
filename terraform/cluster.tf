resource "aws_ecs_cluster" "this" {
  name = var.name
  tags = var.tags

  # Publishes RunningTaskCount, by which the workers are scaled.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]
}

locals {
  # Known once the capacity providers are there: a service that asks for them earlier is refused.
  cluster_arn = aws_ecs_cluster_capacity_providers.this.id == "" ? "" : aws_ecs_cluster.this.arn
}
