# What is around the services: the network, the alarms.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

run "network" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name  = "quarry"
    zones = 3
    cidr  = "10.7.0.0/16"
  }

  assert {
    condition     = [for zone in output.zones : aws_subnet.private[zone].cidr_block] == ["10.7.0.0/20", "10.7.16.0/20", "10.7.32.0/20"]
    error_message = "Each zone has a sixteenth of the range for tasks."
  }
  assert {
    condition     = [for zone in output.zones : aws_subnet.public[zone].cidr_block] == ["10.7.128.0/20", "10.7.144.0/20", "10.7.160.0/20"]
    error_message = "Each zone has a sixteenth of the range for the load balancer, and none twice."
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["sqs", "bedrock-runtime", "logs", "ecr.api", "ecr.dkr", "secretsmanager", "kms", "sts"])
    error_message = "What tasks call has an endpoint, for there is no other way."
  }
  assert {
    condition     = alltrue([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) : subnet.map_public_ip_on_launch != true])
    error_message = "Nothing gets a public address without asking for one."
  }
}

run "network_in_zones_by_name" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name       = "quarry"
    zone_names = ["us-east-1b", "us-east-1c"]
  }

  assert {
    condition     = toset(keys(aws_subnet.private)) == toset(["us-east-1b", "us-east-1c"]) && output.zones == tolist(["us-east-1b", "us-east-1c"])
    error_message = "Subnets are in the zones that were named, and in no other."
  }
}

run "private_network" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    name           = "quarry"
    public_subnets = false
  }

  assert {
    condition     = length(aws_internet_gateway.this) == 0 && length(aws_subnet.public) == 0 && length(output.public_subnet_ids) == 0
    error_message = "Without public subnets nothing leads to the internet."
  }
}

run "alarms" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    name                   = "quarry"
    queue_names            = { high = "quarry-jobs-high", normal = "quarry-jobs", low = "quarry-jobs-low" }
    dead_letter_queue_name = "quarry-jobs-dlq"
    table_name             = "quarry-jobs"
    cluster_name           = "quarry"
    worker_service_name    = "quarry-worker"
    min_workers            = 2
    late_seconds           = { high = 60 }
    api_errors             = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = { LoadBalancer = "app/quarry/1" } }
    api_load_balancer      = { name = "app/quarry/1", target_group = "targetgroup/quarry/2" }
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.above), aws_cloudwatch_metric_alarm.workers_missing, aws_cloudwatch_metric_alarm.api_gone) :
      can(regex("What to do: https://.*/docs/runbooks/[a-z-]+\\.md$", alarm.alarm_description)) && length(alarm.alarm_actions) == 1
    ])
    error_message = "Whoever is told of an alarm is told what to do."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.above["jobs-wait-high"].threshold == 60 && !contains(keys(output.alarm_names), "jobs-wait-low")
    error_message = "A lane is late when it is said to be, and never where nothing is said."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.workers_missing[0].threshold == 2 && aws_cloudwatch_metric_alarm.workers_missing[0].treat_missing_data == "breaching"
    error_message = "Workers that nobody counts are missing."
  }
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.api_gone :
    alarm.threshold == 1 && alarm.treat_missing_data == "breaching" && alarm.dimensions == tomap({ LoadBalancer = "app/quarry/1", TargetGroup = "targetgroup/quarry/2" })])
    error_message = "An API without a healthy task, or which nobody counts, is gone."
  }
  assert {
    condition     = toset([for name in keys(output.alarm_names) : name if startswith(name, "api-gone")]) == toset(["api-gone", "api-gone-unanswered"])
    error_message = "Nobody hears of errors that the API cannot count, because it is not there, but by the load balancer."
  }
  assert {
    condition     = aws_cloudwatch_log_metric_filter.event["target-blocked"].pattern == "{ ($.event = \"target.blocked\") }"
    error_message = "An event is counted by its name."
  }
}

run "refuses_a_range_too_small" {
  # Says: A VPC of sixteen subnets has a range of /16 to /22
  command = plan

  module {
    source = "./modules/network"
  }
  variables {
    name = "quarry"
    cidr = "10.0.0.0/23"
  }

  expect_failures = [var.cidr]
}

run "refuses_one_zone" {
  # Says: a load balancer needs two
  command = plan

  module {
    source = "./modules/network"
  }
  variables {
    name  = "quarry"
    zones = 1
  }

  expect_failures = [var.zones]
}

run "refuses_a_zone_twice" {
  # Says: none of them twice
  command = plan

  module {
    source = "./modules/network"
  }
  variables {
    name       = "quarry"
    zone_names = ["us-east-1a", "us-east-1a"]
  }

  expect_failures = [var.zone_names]
}

run "refuses_more_zones_than_there_are" {
  # Says: This region has 3 zones, and 5 are asked for
  command = plan

  module {
    source = "./modules/network"
  }
  variables {
    name  = "quarry"
    zones = 5
  }

  expect_failures = [aws_vpc.this]
}

run "refuses_endpoints_without_which_no_task_starts" {
  # Says: no task starts here
  command = plan

  module {
    source = "./modules/network"
  }
  variables {
    name                = "quarry"
    interface_endpoints = ["sqs"]
  }

  expect_failures = [var.interface_endpoints]
}
