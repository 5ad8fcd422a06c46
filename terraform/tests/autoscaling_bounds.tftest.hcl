# How many workers there are: quotas, hours, thresholds.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name                       = "quarry"
  cluster_name               = "quarry"
  service_name               = "quarry-worker"
  queue_names                = { high = "quarry-jobs-high", normal = "quarry-jobs", low = "quarry-jobs-low" }
  slots_per_task             = 100
  typical_job_seconds        = 20
  acceptable_latency_seconds = 60
}

run "quota" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    max_tasks = 50
    quota     = { requests_per_minute = 1000, tokens_per_minute = 3000000, tokens_per_job = 2000 }
  }

  assert {
    condition     = output.worker_ceiling == 4 && aws_appautoscaling_target.worker.max_capacity == 4
    error_message = "A task works 100 x 60 / 20 = 300 jobs a minute; 1000 requests and 1500 jobs' tokens feed four."
  }
}

run "hours" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    max_tasks = 10
    quota     = { requests_per_minute = 6000 }
    schedules = {
      morning = { schedule = "cron(0 8 ? * MON-FRI *)", timezone = "Europe/Berlin", min_tasks = 4, max_tasks = 30 }
      evening = { schedule = "cron(0 20 ? * MON-FRI *)", timezone = "Europe/Berlin", min_tasks = 0 }
    }
  }

  assert {
    condition = { for name, each in aws_appautoscaling_scheduled_action.hours :
      name => [each.scalable_target_action[0].min_capacity, each.scalable_target_action[0].max_capacity]
    } == { morning = ["4", "20"], evening = ["0", "10"] }
    error_message = "Hours may have another ceiling, but none feeds on more than the quota."
  }
  assert {
    condition     = contains(keys(local.steps), "wake")
    error_message = "An evening without tasks is a fleet that has to be woken."
  }
}

run "thresholds" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    thresholds = {}
  }

  assert {
    condition     = output.worker_floor == 2 && output.worker_ceiling == 20
    error_message = "2 to 20 tasks, unless something else is said."
  }
  assert {
    condition = local.pressure.result == join("", [
      "IF(cpu >= 0 && high_waiting >= 0 && low_waiting >= 0 && normal_waiting >= 0, MAX([TIME_SERIES(0), ",
      "(TIME_SERIES(0) + cpu) / 80, ",
      "(TIME_SERIES(0) + high_waiting + low_waiting + normal_waiting) / 50, ",
      "(TIME_SERIES(0) + high_sent + low_sent + normal_sent) / 1000, ",
      "(TIME_SERIES(0) + MAX([high_age, low_age, normal_age])) / 5]))",
    ])
    error_message = "1000 a minute, 80 %, 50 that wait, 5 s."
  }
  assert {
    condition = alltrue([for each in aws_appautoscaling_policy.step["out"].step_scaling_policy_configuration :
    each.cooldown == 300 && one(each.step_adjustment).scaling_adjustment == 50 && each.adjustment_type == "PercentChangeInCapacity"])
    error_message = "Half as many again, and not again for 300 s."
  }
  assert {
    condition     = !contains(keys(local.steps), "in")
    error_message = "Where the backlog is followed, that alone removes tasks."
  }
}

run "thresholds_alone" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    follow_backlog = false
    thresholds     = { signals = ["queue"], queue_length = 500 }
  }

  assert {
    condition     = keys(local.steps) == ["in", "out"] && length(aws_appautoscaling_policy.backlog) == 0
    error_message = "Thresholds add and remove by themselves."
  }
  assert {
    condition     = one(aws_appautoscaling_policy.step["in"].step_scaling_policy_configuration[0].step_adjustment).scaling_adjustment == -30
    error_message = "In by 0.7."
  }
  assert {
    condition     = endswith(local.pressure.result, ") / 500]))") && length(local.pressure.metrics) == 3
    error_message = "Only what is asked for is measured."
  }
}

run "thresholds_of_cpu_alone" {
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    follow_backlog = false
    thresholds     = { signals = ["cpu"] }
  }

  assert {
    condition     = local.pressure.result == "IF(cpu >= 0, MAX([TIME_SERIES(0), (TIME_SERIES(0) + cpu) / 80]))" && keys(local.pressure.metrics) == ["cpu"]
    error_message = "A CPU that nobody measures is no idle one."
  }
}
