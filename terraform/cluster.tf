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
