locals {
  port         = 8000
  metrics_port = 9091

  # What this module answers for; nobody else may say it.
  own_environment = {
    AWS_REGION               = data.aws_region.current.name
    QUARRY_API__METRICS_HOST = "0.0.0.0"
    QUARRY_API__METRICS_PORT = tostring(local.metrics_port)
    # The load balancer.
    QUARRY_API__TRUSTED_PROXIES = "1"
    # Memory is about four times the bodies being served, and 256 MiB are Python's and the connections'.
    QUARRY_API__INFLIGHT_BODY_BYTES = tostring(max(24, floor((var.memory_mib - 256) / 4)) * 1024 * 1024)
  }
  environment = merge(local.tracing_environment, var.settings, local.own_environment)
}

data "aws_region" "current" {}

resource "aws_ecs_task_definition" "producer" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  task_role_arn            = var.task_role_arn
  execution_role_arn       = var.execution_role_arn
  tags                     = var.tags
  # A rollback goes back to the revision before, which has to be there still. Revisions cost nothing.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode(concat([merge({
    name        = "producer"
    image       = var.image
    essential   = true
    command     = ["api", "--host", "0.0.0.0", "--port", tostring(local.port)]
    environment = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    secrets     = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    # What is being answered is answered within 5 s; ECS takes a task out of the load balancer before it asks it to stop.
    stopTimeout = 30

    # Two files for each connection (QUARRY_API__CONNECTIONS), and some.
    ulimits      = [{ name = "nofile", softLimit = 16384, hardLimit = 16384 }]
    portMappings = [for port in [local.port, local.metrics_port] : { containerPort = port, hostPort = port, protocol = "tcp" }]

    user                   = var.user
    privileged             = false
    readonlyRootFilesystem = true
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }

    healthCheck = {
      command     = ["CMD", "healthcheck", "http://127.0.0.1:${local.port}/livez"]
      interval    = 10
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }

    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = var.log_group_name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = "producer"
        "mode"                  = "non-blocking"
        "max-buffer-size"       = "25m"
      }
    }
  }, local.before_collector)], local.collector_containers))

  lifecycle {
    precondition {
      condition     = length(setintersection(keys(var.settings), keys(local.own_environment))) == 0
      error_message = "`settings` names a variable that follows from an input: ${join(", ", setintersection(keys(var.settings), keys(local.own_environment)))}."
    }
    precondition {
      condition     = length(setintersection(keys(var.settings), keys(var.secrets))) == 0
      error_message = "A variable is both in `settings` and in `secrets`: ECS would take only one of them."
    }
  }
}

resource "aws_ecs_service" "producer" {
  name                    = var.name
  cluster                 = var.cluster_arn
  task_definition         = aws_ecs_task_definition.producer.arn
  desired_count           = var.min_tasks
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  # Without it, another mix of capacity providers is another service: the provider deletes this one first.
  force_new_deployment = true
  tags                 = var.tags

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60

  # Who waits for an answer should get it: no Spot here.
  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.producer.id]
    assign_public_ip = var.assign_public_ip
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.producer.arn
    container_name   = "producer"
    container_port   = local.port
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "alarms" {
    for_each = length(var.deployment_alarm_names) > 0 ? [var.deployment_alarm_names] : []

    content {
      alarm_names = alarms.value
      enable      = true
      rollback    = true
    }
  }

  # ECS takes a target group only once a load balancer has it; and a task calls AWS, and is called, from its start to its end.
  depends_on = [
    aws_lb_listener.https,
    aws_lb_listener.http,
    aws_vpc_security_group_egress_rule.https,
    aws_vpc_security_group_egress_rule.to_tasks,
    aws_vpc_security_group_ingress_rule.from_load_balancer,
  ]

  lifecycle {
    # The scaling policy's from the first minute on.
    ignore_changes = [desired_count]
  }
}
