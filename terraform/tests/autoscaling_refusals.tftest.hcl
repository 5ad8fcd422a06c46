# What a plan refuses of scaling. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_a_ceiling_below_the_floor" {
  # Says: The ceiling (3 tasks) is below the floor (5)
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    min_tasks = 5
    max_tasks = 3
  }

  expect_failures = [aws_appautoscaling_target.worker]
}

run "refuses_a_floor_that_the_quota_does_not_feed" {
  # Says: and the quota feeds 2
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    min_tasks = 3
    quota     = { requests_per_minute = 600 }
  }

  expect_failures = [aws_appautoscaling_target.worker]
}

run "refuses_to_follow_nothing" {
  # Says: Nothing is followed
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    follow_backlog = false
  }

  expect_failures = [aws_appautoscaling_target.worker]
}

run "refuses_an_hour_that_the_quota_does_not_feed" {
  # Says: above its ceiling
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    quota     = { requests_per_minute = 600 }
    schedules = { noon = { schedule = "cron(0 12 * * ? *)", min_tasks = 3 } }
  }

  expect_failures = [aws_appautoscaling_scheduled_action.hours]
}

run "refuses_fewer_than_no_workers" {
  # Says: There cannot be fewer than no tasks
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    min_tasks = -1
  }

  expect_failures = [var.min_tasks]
}

run "refuses_a_ceiling_of_nothing" {
  # Says: A ceiling of no tasks lets nothing be worked
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    max_tasks = 0
  }

  expect_failures = [var.max_tasks]
}

run "refuses_a_task_without_slots" {
  # Says: A task without a slot
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    slots_per_task = 0
  }

  expect_failures = [var.slots_per_task]
}

run "refuses_a_job_that_takes_no_time" {
  # Says: A job takes some time
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    typical_job_seconds = 0
  }

  expect_failures = [var.typical_job_seconds]
}

run "refuses_a_latency_below_nothing" {
  # Says: A latency cannot be negative
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    acceptable_latency_seconds = -1
  }

  expect_failures = [var.acceptable_latency_seconds]
}
