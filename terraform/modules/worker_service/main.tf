locals {
  name         = "${var.name}-worker"
  metrics_port = 9090

  # What this module answers for; nobody else may say it.
  own_environment = {
    AWS_REGION                    = data.aws_region.current.name
    QUARRY_WORKER__SLOTS          = tostring(var.slots)
    QUARRY_WORKER__DRAIN_SECONDS  = tostring(var.drain_seconds)
    QUARRY_WORKER__GRACE_SECONDS  = tostring(var.stop_timeout_seconds)
    QUARRY_WORKER__METRICS_HOST   = "0.0.0.0"
    QUARRY_WORKER__METRICS_PORT   = tostring(local.metrics_port)
    QUARRY_WORKER__INFLIGHT_BYTES = tostring(local.inflight_bytes)
  }
  environment = merge(local.tracing_environment, var.settings, local.own_environment)

  # Memory is about four times the content in flight (QUARRY_WORKER__INFLIGHT_BYTES), and 256 MiB are Python's and the slots'.
  inflight_bytes = max(1, floor((var.memory_mib - 256) / 4)) * 1024 * 1024
}

data "aws_region" "current" {}

resource "aws_ecs_task_definition" "worker" {
  family                   = local.name
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
    name        = "worker"
    image       = var.image
    essential   = true
    command     = ["worker"]
    environment = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    secrets     = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    stopTimeout = var.stop_timeout_seconds

    portMappings = [{ name = "metrics", containerPort = local.metrics_port, hostPort = local.metrics_port, protocol = "tcp" }]

    user                   = var.user
    privileged             = false
    readonlyRootFilesystem = true
    linuxParameters = {
      # Reaps what is orphaned, and hands SIGTERM on.
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }

    healthCheck = {
      command     = ["CMD", "healthcheck", "http://127.0.0.1:${local.metrics_port}/livez"]
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
        "awslogs-stream-prefix" = "worker"
        # A log that does not flow must not stop a worker; what does not fit is dropped.
        "mode"            = "non-blocking"
        "max-buffer-size" = "25m"
      }
    }
  }, local.before_collector)], local.collector_containers))

  lifecycle {
    precondition {
      condition     = length(setintersection(keys(var.settings), keys(local.own_environment))) == 0
      error_message = "`settings` names a variable that has an input of its own, or follows from one: ${join(", ", setintersection(keys(var.settings), keys(local.own_environment)))}."
    }
    precondition {
      condition     = length(setintersection(keys(var.settings), keys(var.secrets))) == 0
      error_message = "A variable is both in `settings` and in `secrets`: ECS would take only one of them."
    }
  }
}

resource "aws_ecs_service" "worker" {
  name                    = local.name
  cluster                 = var.cluster_arn
  task_definition         = aws_ecs_task_definition.worker.arn
  desired_count           = var.min_tasks
  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"
  # Without it, another mix of capacity providers is another service: the provider deletes this one first.
  force_new_deployment = true
  tags                 = var.tags

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.worker.id]
    assign_public_ip = var.assign_public_ip
  }

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    base              = var.on_demand_base
    weight            = var.on_demand_weight
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.spot_weight > 0 ? [var.spot_weight] : []

    content {
      capacity_provider = "FARGATE_SPOT"
      weight            = capacity_provider_strategy.value
    }
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

  # A task calls AWS from its start to the end of its drain.
  depends_on = [aws_vpc_security_group_egress_rule.https]

  lifecycle {
    # The scaling policies' from the first minute on (module autoscaling).
    ignore_changes = [desired_count]
  }
}
