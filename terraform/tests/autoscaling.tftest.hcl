# How many workers there are: names, derived numbers, what is followed.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name                       = "quarry"
  cluster_name               = "quarry"
  service_name               = "quarry-worker"
  queue_names                = { high = "quarry-jobs-high", normal = "quarry-jobs", low = "quarry-jobs-low" }
  namespace                  = "Quarry/quarry"
  slots_per_task             = 100
  typical_job_seconds        = 20
  acceptable_latency_seconds = 60
}

run "what_is_followed" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    min_tasks = 2
    max_tasks = 8
  }

  assert {
    condition     = output.worker_floor == 2 && output.worker_ceiling == 8 && aws_appautoscaling_target.worker.min_capacity == 2 && aws_appautoscaling_target.worker.max_capacity == 8
    error_message = "Floor and ceiling are those that were given."
  }
  assert {
    condition     = aws_appautoscaling_target.worker.resource_id == "service/quarry/quarry-worker"
    error_message = "It is the workers' service that is scaled."
  }
  assert {
    condition     = aws_appautoscaling_policy.backlog[0].name == "quarry-worker-backlog-per-task" && aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration[0].target_value == 100
    error_message = "The target is the slots of a task."
  }
  assert {
    condition     = output.jobs_per_task == 400 && local.followed.expressions.work == "MAX([used / 0.9, (waiting / tasks + used) / 4])"
    error_message = "100 are worked at a time, and in 60 s three times as many: 100 x (1 + 60 / 20) = 400 a task. What is worked is held with nine tenths of the slots full."
  }
  assert {
    condition     = join(" ", [for each in ["namespace", "metric", "stat"] : local.followed.metrics.used[each]]) == "Quarry/quarry SlotsInUse Average" && jsonencode(local.followed.metrics.used.dimensions) == jsonencode({ Service = "worker" })
    error_message = "What is worked is told by the workers."
  }
  assert {
    condition     = endswith(local.followed.result, ", IF(used < 50 && work > 100, 100, work))")
    error_message = "Jobs that wait beside free slots add no tasks."
  }
  assert {
    condition = alltrue([for each in aws_appautoscaling_policy.backlog[0].target_tracking_scaling_policy_configuration :
    each.scale_out_cooldown == 60 && each.scale_in_cooldown == 180])
    error_message = "Fast out, slow in."
  }
  assert {
    condition     = keys(local.steps) == ["surge"]
    error_message = "A fleet that is never empty needs nobody to wake it, and thresholds are for those who ask."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.step["surge"].threshold == 200 && aws_cloudwatch_metric_alarm.step["surge"].evaluation_periods == 1
    error_message = "Work for twice as many tasks is not waited with."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.step["surge"].alarm_actions == toset([aws_appautoscaling_policy.step["surge"].arn])
    error_message = "The alarm calls its policy."
  }
}

run "safe_at_zero_and_with_late_metrics" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }

  # Whether its value is right is CloudWatch's affair, and asked of an evaluator of ours in tests/e2e/terraform.
  assert {
    condition     = startswith(local.followed.result, "IF(high_waiting >= 0 && low_waiting >= 0 && normal_waiting >= 0 && tasks >= 1 && used >= 0, ")
    error_message = "There is a value where all is known, and a task to divide by."
  }
  assert {
    condition     = local.waiting == "high_waiting + low_waiting + normal_waiting"
    error_message = "What waits, on three lanes."
  }
  assert {
    condition     = alltrue([for each in [local.followed, local.pressure] : !strcontains(join(" ", concat([each.result], values(each.expressions))), "FILL")])
    error_message = "An old number, or none, stands for nothing that nobody told."
  }
  assert {
    condition     = length(local.followed.metrics) <= 10 && length(local.pressure.metrics) <= 10 && length(local.asleep.metrics) <= 10
    error_message = "An alarm on an expression may ask ten metrics."
  }
}

run "workers_that_say_nothing" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    namespace = null
  }

  assert {
    condition     = local.followed.expressions.used == "(TIME_SERIES(0) + high_hidden + low_hidden + normal_hidden) / tasks" && !contains(keys(local.followed.metrics), "used")
    error_message = "Then what is hidden counts as being worked."
  }
  assert {
    condition     = local.followed.result == "IF(high_waiting >= 0 && low_waiting >= 0 && normal_waiting >= 0 && tasks >= 1, work)"
    error_message = "And nobody knows of free slots."
  }
  assert {
    condition     = length(local.followed.metrics) <= 10
    error_message = "An alarm on an expression may ask ten metrics."
  }
}

run "zero" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    min_tasks = 0
  }

  assert {
    condition     = keys(local.steps) == ["surge", "wake"] && output.alarm_names["wake"] == "quarry-worker-wake"
    error_message = "A fleet that may be empty is woken."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.step["wake"].threshold == 0 && aws_cloudwatch_metric_alarm.step["wake"].comparison_operator == "GreaterThanThreshold"
    error_message = "One job that waits is enough."
  }
  assert {
    condition = alltrue([for each in aws_appautoscaling_policy.step["wake"].step_scaling_policy_configuration :
    each.adjustment_type == "ChangeInCapacity" && one(each.step_adjustment).scaling_adjustment == 1])
    error_message = "It adds one task: by an exact number it would remove others, were it ever mistaken."
  }
  assert {
    condition     = one(aws_appautoscaling_policy.step["wake"].step_scaling_policy_configuration).cooldown == 300
    error_message = "Not a second one before the first one is counted."
  }
  assert {
    condition     = local.asleep.result == "IF(FILL(tasks, REPEAT) < TIME_SERIES(1), waiting, 0)"
    error_message = "Tasks that nobody counts are none."
  }
}
