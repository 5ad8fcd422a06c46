# What a plan refuses of quotas, hours and thresholds. `Says` is part of the message; tests/unit/test_terraform_files.py compares it.

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

run "refuses_a_quota_of_nothing" {
  # Says: A quota of nothing feeds nobody
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    quota = { requests_per_minute = 0 }
  }

  expect_failures = [var.quota]
}

run "refuses_tokens_without_a_job_s_share" {
  # Says: each is of use only with the other
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    quota = { tokens_per_minute = 100000 }
  }

  expect_failures = [var.quota]
}

run "refuses_a_schedule_that_is_none" {
  # Says: A schedule is cron
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    schedules = { noon = { schedule = "12:00", min_tasks = 1 } }
  }

  expect_failures = [var.schedules]
}

run "refuses_a_schedule_below_nothing" {
  # Says: A schedule's floor cannot be fewer than no tasks
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    schedules = { noon = { schedule = "rate(1 day)", min_tasks = -1 } }
  }

  expect_failures = [var.schedules]
}

run "refuses_a_signal_that_nobody_sends" {
  # Says: The signals are requests, cpu, queue and response
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    thresholds = { signals = ["memory"] }
  }

  expect_failures = [var.thresholds]
}

run "refuses_a_threshold_of_nothing" {
  # Says: A threshold is above 0
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    thresholds = { queue_length = 0 }
  }

  expect_failures = [var.thresholds]
}

run "refuses_factors_the_wrong_way_round" {
  # Says: Out is a factor above 1
  command = plan

  module {
    source = "./modules/autoscaling"
  }
  variables {
    thresholds = { out_factor = 0.7, in_factor = 1.5 }
  }

  expect_failures = [var.thresholds]
}
