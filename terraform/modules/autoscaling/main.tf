# How many workers there are. What is followed is work: what is being worked, and what waits (docs/explanation/autoscaling.md).
#
# No Lambda function: metric math, which Application Auto Scaling and CloudWatch's alarms evaluate themselves.

locals {
  name = "${var.name}-worker"

  floor   = coalesce(var.min_tasks, var.thresholds == null ? 1 : 2)
  ceiling = coalesce(var.max_tasks, var.thresholds == null ? 10 : 20)

  # What a task works off while a job may wait: what it works on at once, and that again for each time a job takes meanwhile.
  times_over    = 1 + var.acceptable_latency_seconds / var.typical_job_seconds
  jobs_per_task = floor(var.slots_per_task * local.times_over)

  # A task that more tasks only take work from is paid for nothing. The one that uses up the rest of a quota is worth it.
  jobs_a_minute_of_a_task = var.slots_per_task * 60 / var.typical_job_seconds
  jobs_a_minute_of_quota = [for limit in [
    var.quota.requests_per_minute, try(var.quota.tokens_per_minute / var.quota.tokens_per_job, null)
  ] : limit if limit != null]
  fed     = try(max(1, ceil(min(local.jobs_a_minute_of_quota...) / local.jobs_a_minute_of_a_task)), null)
  highest = min(local.ceiling, coalesce(local.fed, local.ceiling))

  hours = { for name, each in var.schedules : name => merge(each, {
    highest = each.max_tasks == null ? local.highest : min(each.max_tasks, coalesce(local.fed, each.max_tasks))
  }) }
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${var.service_name}"
  min_capacity       = local.floor
  max_capacity       = local.highest
  tags               = var.tags

  lifecycle {
    precondition {
      condition     = local.floor <= local.ceiling
      error_message = "The ceiling (${local.ceiling} tasks) is below the floor (${local.floor})."
    }
    precondition {
      condition     = local.floor <= coalesce(local.fed, local.floor)
      error_message = "The floor is ${local.floor} tasks, and the quota feeds ${coalesce(local.fed, local.floor)}: it grants ${format("%.4g", try(min(local.jobs_a_minute_of_quota...), 0))} jobs a minute, and a task works ${format("%.4g", local.jobs_a_minute_of_a_task)}. The others would be paid for nothing."
    }
    precondition {
      condition     = var.follow_backlog || var.thresholds != null
      error_message = "Nothing is followed: without `follow_backlog`, give `thresholds`."
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "hours" {
  for_each = local.hours

  name               = "${local.name}-${each.key}"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension
  resource_id        = aws_appautoscaling_target.worker.resource_id
  schedule           = each.value.schedule
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min_tasks
    max_capacity = each.value.highest
  }

  lifecycle {
    precondition {
      condition     = each.value.min_tasks <= each.value.highest
      error_message = "Schedule ${each.key} has a floor of ${each.value.min_tasks} tasks, above its ceiling (${each.value.highest}): its own, or what the quota feeds."
    }
  }
}
