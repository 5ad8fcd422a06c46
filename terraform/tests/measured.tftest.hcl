# What is made of the processes' own metrics: the dashboard, alarms, and what the processes are told.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name                   = "quarry"
  queue_names            = { high = "quarry-jobs-high", normal = "quarry-jobs", low = "quarry-jobs-low" }
  dead_letter_queue_name = "quarry-jobs-dlq"
  table_name             = "quarry-jobs"
  cluster_name           = "quarry"
  worker_service_name    = "quarry-worker"
  min_workers            = 1
  api_errors             = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = { LoadBalancer = "app/quarry/1" } }
  api_load_balancer      = { name = "app/quarry/1", target_group = "targetgroup/quarry/2" }
}

run "measured" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition     = output.namespace == "Quarry/quarry" && output.dashboard_name == "quarry"
    error_message = "The processes are told where to write, and the dashboard has the installation's name."
  }
  assert {
    condition     = alltrue([for each in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : length(try(each.properties.metrics, each.properties.alarms)) > 0])
    error_message = "The dashboard is JSON, and no panel of it is empty."
  }
  assert {
    condition = [
      for each in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : length(each.properties.alarms) if each.type == "alarm"
    ] == [length(output.alarm_names)]
    error_message = "The dashboard shows the state of every alarm."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.model_slow[0].namespace == output.namespace && aws_cloudwatch_metric_alarm.model_slow[0].extended_statistic == "p90"
    error_message = "Calls are slow where a tenth of those that the workers have measured is."
  }
  assert {
    condition = toset([
      for query in aws_cloudwatch_metric_alarm.model_errors[0].metric_query : query.metric[0].namespace if length(query.metric) > 0
    ]) == toset([output.namespace])
    error_message = "The share of failed calls is of what the workers have counted."
  }
  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.model_slow[0], aws_cloudwatch_metric_alarm.model_errors[0]] :
      can(regex("What to do: https://.*/docs/runbooks/model-[a-z]+\\.md$", alarm.alarm_description)) && length(alarm.alarm_actions) == 1
    ])
    error_message = "Whoever is told of an alarm is told what to do."
  }
}

run "not_measured" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    measured = false
  }

  assert {
    condition     = output.namespace == null && output.dashboard_name == null
    error_message = "Whoever does not want custom metrics is told of none."
  }
  assert {
    condition     = !contains(keys(output.alarm_names), "model-slow") && !contains(keys(output.alarm_names), "metrics-refused-worker")
    error_message = "An alarm on what nobody writes would be silent for ever."
  }
}

run "refuses_calls_that_take_no_time" {
  # Says: No call takes less than no time
  command = plan

  module {
    source = "./modules/observability"
  }
  variables {
    slow_call_seconds = 0
  }

  expect_failures = [var.slow_call_seconds]
}

run "refuses_a_share_that_is_none" {
  # Says: A share is from 0 to below 100
  command = plan

  module {
    source = "./modules/observability"
  }
  variables {
    failed_calls_percent = 100
  }

  expect_failures = [var.failed_calls_percent]
}
