# What is done about it. Each step policy has one alarm that calls it; the alarms of target tracking are AWS's.

locals {
  # A row for each: `over` and `minutes` are its alarm's, adjustments are [from, to, by] from the threshold on.
  steps = merge(
    # Target tracking waits for three minutes, AWS's, and needs not wait for this: more than twice the work that there are tasks for.
    # Steps add less than is needed, never more.
    !var.follow_backlog ? {} : {
      surge = {
        says     = "There is work for twice as many workers"
        follows  = local.followed
        compares = "GreaterThanOrEqualToThreshold"
        over     = 2 * var.slots_per_task
        minutes  = 1
        cooldown = 60
        percent  = true
        by = [
          [0, 2 * var.slots_per_task, 100],
          [2 * var.slots_per_task, 6 * var.slots_per_task, 300],
          [6 * var.slots_per_task, null, 700],
        ]
      }
    },
    # Target tracking multiplies what there is, and so never leaves zero.
    min(concat([local.floor], [for each in var.schedules : each.min_tasks])...) > 0 ? {} : {
      wake = {
        says     = "Jobs wait, and there is no worker"
        follows  = local.asleep
        compares = "GreaterThanThreshold"
        over     = 0
        minutes  = 1
        # Until the task has started and is counted, or one job would start a second one. What more there is to do, a surge adds.
        cooldown = 300
        percent  = false
        by       = [[0, null, 1]]
      }
    },
    var.thresholds == null ? {} : {
      out = {
        says     = "A threshold is passed: ${join(", ", keys(local.signals))}"
        follows  = local.pressure
        compares = "GreaterThanThreshold"
        over     = 1
        minutes  = 3
        cooldown = try(var.thresholds.cooldown_seconds, 0)
        percent  = true
        by       = [[0, null, floor(100 * try(var.thresholds.out_factor, 1) + 0.5) - 100]]
      }
    },
    # Two that remove would undo each other: where the backlog is followed, that alone does.
    var.follow_backlog || var.thresholds == null ? {} : {
      in = {
        says     = "All is below half of its threshold: ${join(", ", keys(local.signals))}"
        follows  = local.pressure
        compares = "LessThanThreshold"
        over     = 0.5
        minutes  = 15
        cooldown = try(var.thresholds.cooldown_seconds, 0)
        percent  = true
        by       = [[null, 0, floor(100 * try(var.thresholds.in_factor, 1) + 0.5) - 100]]
      }
    },
  )
}

resource "aws_appautoscaling_policy" "backlog" {
  count = var.follow_backlog ? 1 : 0

  name               = "${local.name}-backlog-per-task"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.slots_per_task
    scale_out_cooldown = 60
    # A task that goes hands its jobs back after the drain; so the fleet shrinks slowly.
    scale_in_cooldown = 180

    customized_metric_specification {
      metrics {
        id          = "work_per_task"
        label       = "Work per running task"
        expression  = local.followed.result
        return_data = true
      }

      dynamic "metrics" {
        for_each = local.followed.expressions

        content {
          id          = metrics.key
          expression  = metrics.value
          return_data = false
        }
      }

      dynamic "metrics" {
        for_each = local.followed.metrics

        content {
          id          = metrics.key
          return_data = false

          metric_stat {
            stat = metrics.value.stat

            metric {
              namespace   = metrics.value.namespace
              metric_name = metrics.value.metric

              dynamic "dimensions" {
                for_each = metrics.value.dimensions

                content {
                  name  = dimensions.key
                  value = dimensions.value
                }
              }
            }
          }
        }
      }
    }
  }
}

resource "aws_appautoscaling_policy" "step" {
  for_each = local.steps

  name               = "${local.name}-${each.key}"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id

  step_scaling_policy_configuration {
    adjustment_type          = each.value.percent ? "PercentChangeInCapacity" : "ChangeInCapacity"
    min_adjustment_magnitude = each.value.percent ? 1 : null
    metric_aggregation_type  = "Maximum"
    cooldown                 = each.value.cooldown

    dynamic "step_adjustment" {
      for_each = each.value.by

      content {
        metric_interval_lower_bound = step_adjustment.value[0]
        metric_interval_upper_bound = step_adjustment.value[1]
        scaling_adjustment          = step_adjustment.value[2]
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "step" {
  for_each = local.steps

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "${each.value.says}. It calls a scaling policy; nobody has to do anything."
  comparison_operator = each.value.compares
  threshold           = each.value.over
  evaluation_periods  = each.value.minutes
  # What is not known is no reason to do anything.
  treat_missing_data = "missing"
  alarm_actions      = [aws_appautoscaling_policy.step[each.key].arn]
  tags               = var.tags

  metric_query {
    id          = "followed"
    label       = each.value.says
    expression  = each.value.follows.result
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.follows.expressions

    content {
      id         = metric_query.key
      expression = metric_query.value
    }
  }

  dynamic "metric_query" {
    for_each = each.value.follows.metrics

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = 60
      }
    }
  }
}
