# How many tasks there are. One policy: jobs per task, by metric math, without a Lambda function.
#
# The backlog is what waits and what is being worked, since SQS counts both. It is divided by the running tasks; where there are
# none, by one, so that the quotient exists at zero.

locals {
  # A task works `slots` jobs at a time; what may wait is what it works off in the acceptable time.
  jobs_per_task = floor(var.slots * (1 + var.acceptable_wait_seconds / var.typical_job_seconds))

  counts = merge([
    for lane, queue in var.queue_names : {
      "${lane}_waiting"     = { queue = queue, metric = "ApproximateNumberOfMessagesVisible" }
      "${lane}_in_progress" = { queue = queue, metric = "ApproximateNumberOfMessagesNotVisible" }
    }
  ]...)

  # The newest minute is often not published yet: then what was last known holds, or the fleet would jump to its ceiling (no tasks)
  # or shrink (no backlog). SQS stops publishing after some hours without activity: nothing at all means zero.
  backlog = join(" + ", [for id in sort(keys(local.counts)) : "FILL(FILL(${id}, REPEAT), 0)"])
  tasks   = "IF(FILL(tasks, REPEAT) < 1, 1, FILL(tasks, REPEAT))"
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.worker.name}"
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks
  tags               = var.tags
}

resource "aws_appautoscaling_policy" "backlog" {
  name               = "${local.name}-backlog-per-task"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = local.jobs_per_task
    scale_out_cooldown = 60
    # A task that goes hands its jobs back after the drain; so the fleet shrinks slowly.
    scale_in_cooldown = 300

    customized_metric_specification {
      metrics {
        id          = "jobs_per_task"
        label       = "Jobs per running task"
        expression  = "(${local.backlog}) / ${local.tasks}"
        return_data = true
      }

      dynamic "metrics" {
        for_each = local.counts

        content {
          id          = metrics.key
          return_data = false

          metric_stat {
            stat = "Maximum"

            metric {
              namespace   = "AWS/SQS"
              metric_name = metrics.value.metric

              dimensions {
                name  = "QueueName"
                value = metrics.value.queue
              }
            }
          }
        }
      }

      metrics {
        id          = "tasks"
        return_data = false

        metric_stat {
          stat = "Average"

          metric {
            # Container Insights of the cluster publishes it.
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"

            dimensions {
              name  = "ClusterName"
              value = var.cluster_name
            }
            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.worker.name
            }
          }
        }
      }
    }
  }
}
