# NOT RUN, not even planned: README.md. The API's service as a blue/green deployment of ECS: the new tasks (green) are tried by the smoke test
# on a listener of their own, before all callers are led to them at once; the old ones (blue) stay for a while, to be gone back to.

locals {
  # The module's own service is there as well, by the name NAME-producer.
  name = "${var.name}-api"
}

# Blue and green: ECS swaps their roles at each deployment.
resource "aws_lb_target_group" "side" {
  #checkov:skip=CKV_AWS_378: from the load balancer to the tasks, within the VPC; the API serves no TLS
  for_each = toset(["a", "b"])

  name                 = "${local.name}-${each.key}"
  port                 = var.port
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 35 # Above the longest long-poll.

  health_check {
    path    = "/livez"
    matcher = "200"
  }
}

# For callers, and for the smoke test. ECS changes the weights, and Terraform leaves them alone.
resource "aws_lb_listener_rule" "traffic" {
  for_each = { production = var.listener_arn, test = var.test_listener_arn }

  listener_arn = each.value
  priority     = 1

  action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = { a = 100, b = 0 }

        content {
          arn    = aws_lb_target_group.side[target_group.key].arn
          weight = target_group.value
        }
      }
    }
  }

  condition {
    path_pattern {
      values = ["/*"]
    }
  }

  lifecycle {
    ignore_changes = [action]
  }
}

# ECS changes rules and registers tasks, and calls the function.
resource "aws_iam_role" "ecs" {
  name = "${local.name}-blue-green"

  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ecs.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy_attachment" "load_balancers" {
  role       = aws_iam_role.ecs.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"
}

resource "aws_iam_role_policy" "smoke_test" {
  name = "smoke-test"
  role = aws_iam_role.ecs.name

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = [var.smoke_function_arn, "${var.smoke_function_arn}:*"] }]
  })
}

resource "aws_ecs_service" "producer" {
  name            = local.name
  cluster         = var.cluster_arn
  task_definition = var.task_definition_arn
  desired_count   = var.min_tasks

  health_check_grace_period_seconds = 60

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }

  network_configuration {
    subnets         = var.subnet_ids
    security_groups = var.security_group_ids
  }

  deployment_configuration {
    strategy             = "BLUE_GREEN"
    bake_time_in_minutes = var.bake_minutes

    # The gate: what this function does not call well gets no callers, and the deployment is rolled back.
    lifecycle_hook {
      hook_target_arn  = var.smoke_function_arn
      role_arn         = aws_iam_role.ecs.arn
      lifecycle_stages = ["POST_TEST_TRAFFIC_SHIFT"]
    }
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.side["a"].arn
    container_name   = "producer"
    container_port   = var.port

    advanced_configuration {
      alternate_target_group_arn = aws_lb_target_group.side["b"].arn
      production_listener_rule   = aws_lb_listener_rule.traffic["production"].arn
      test_listener_rule         = aws_lb_listener_rule.traffic["test"].arn
      role_arn                   = aws_iam_role.ecs.arn
    }
  }

  # While both sides are there, an alarm leads the callers back.
  alarms {
    alarm_names = var.alarm_names
    enable      = true
    rollback    = true
  }

  depends_on = [aws_iam_role_policy_attachment.load_balancers, aws_iam_role_policy.smoke_test]

  lifecycle {
    ignore_changes = [desired_count]
  }
}
