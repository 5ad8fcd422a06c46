# The API's service in both forms.

mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  name                     = "quarry"
  image                    = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer:1.0"
  cluster_arn              = "arn:aws:ecs:us-east-1:123456789012:cluster/quarry"
  cluster_name             = "quarry"
  vpc_id                   = "vpc-1"
  subnet_ids               = ["subnet-1", "subnet-2"]
  load_balancer_subnet_ids = ["subnet-3", "subnet-4"]
  role_arn                 = "arn:aws:iam::123456789012:role/quarry-producer"
  execution_role_arn       = "arn:aws:iam::123456789012:role/quarry-execution"
  log_group_name           = "/quarry/quarry/producer"
  certificate_arn          = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
}

# What the inner module has, and the outer one does not say.
run "metrics_are_out_of_reach" {
  command = plan

  module {
    source = "./modules/producer_service/ecs"
  }

  variables {
    name                   = "quarry-producer"
    allowed_cidrs          = ["203.0.113.0/24"]
    internal               = false
    assign_public_ip       = false
    require_tls            = true
    deletion_protection    = true
    access_log_days        = 90
    requests_per_five_min  = 3000
    metrics_readers        = { prometheus = "sg-prometheus" }
    task_role_arn          = "arn:aws:iam::123456789012:role/quarry-producer"
    settings               = {}
    secrets                = {}
    cpu                    = 512
    memory_mib             = 1024
    architecture           = "X86_64"
    min_tasks              = 2
    max_tasks              = 10
    deployment_alarm_names = ["quarry-api-errors"]
    tags                   = {}
  }

  assert {
    condition     = aws_lb_target_group.producer.port == 8000 && [for each in aws_ecs_service.producer.load_balancer : each.container_port] == [8000]
    error_message = "The load balancer has the API's port, and no other."
  }
  assert {
    condition     = aws_lb_target_group.producer.health_check[0].path == "/livez"
    error_message = "Tasks are not replaced because a service that they need is away."
  }
  assert {
    condition     = aws_ecs_task_definition.producer.skip_destroy
    error_message = "The revision that a rollback goes back to stays."
  }
  assert {
    condition     = aws_ecs_service.producer.force_new_deployment
    error_message = "Other capacity providers are another deployment, not another service."
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.to_tasks.from_port == 8000 && aws_vpc_security_group_egress_rule.to_tasks.to_port == 8000
    error_message = "The load balancer reaches the API's port, and no other."
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.from_load_balancer.from_port == 8000 && aws_vpc_security_group_ingress_rule.from_load_balancer.to_port == 8000
    error_message = "Tasks let the load balancer in at the API's port, and no other."
  }
  assert {
    condition = alltrue([for name, rule in aws_vpc_security_group_ingress_rule.metrics :
    rule.from_port == 9091 && rule.to_port == 9091 && rule.referenced_security_group_id == "sg-prometheus" && rule.cidr_ipv4 == null])
    error_message = "The metrics port is for the named security group, and for no address."
  }
  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.callers : [rule.cidr_ipv4, rule.from_port, rule.to_port]] == [["203.0.113.0/24", 443, 443]]
    error_message = "Only those who may call reach the load balancer, by https."
  }
  assert {
    condition     = length(aws_lb_listener.http) == 0 && aws_lb_listener.https[0].default_action[0].type == "forward"
    error_message = "With a certificate nothing answers on port 80: who calls it has sent the key in clear already."
  }
  assert {
    condition     = length([for rule in aws_wafv2_web_acl.producer.rule : rule if length(rule.statement[0].rate_based_statement) > 0]) == 2
    error_message = "WAF bounds the rate of an address, and that of its bulk submissions."
  }
  assert {
    condition = [
      for rule in aws_wafv2_web_acl.producer.rule : rule.statement[0].managed_rule_group_statement[0].name
      if length(rule.statement[0].managed_rule_group_statement) > 0
    ] == ["AWSManagedRulesAmazonIpReputationList"]
    error_message = "Of AWS's rules there are those about addresses: those about bodies refuse prompts that contain code."
  }
  assert {
    condition     = aws_lb.producer.access_logs[0].enabled && aws_lb.producer.enable_deletion_protection && aws_lb.producer.drop_invalid_header_fields
    error_message = "Requests are logged, the load balancer refuses to be deleted, and headers that are none are dropped."
  }
  assert {
    condition = alltrue([for each in jsondecode(aws_ecs_task_definition.producer.container_definitions) : alltrue([
      each.readonlyRootFilesystem, each.user == "10001:10001", each.linuxParameters.capabilities.drop == ["ALL"], !each.privileged,
    ])])
    error_message = "The process is nobody, can write nothing, and may do nothing special."
  }
}

run "lambda_without_a_reserve" {
  command = plan

  module {
    source = "./modules/producer_service"
  }

  variables {
    runs_on   = "lambda"
    image     = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer-lambda:1.0"
    max_tasks = null
  }

  assert {
    condition     = output.function_name == "quarry-producer"
    error_message = "An account with few executions can have a function, which has no floor either."
  }
}

run "lambda" {
  command = plan

  module {
    source = "./modules/producer_service"
  }

  variables {
    runs_on = "lambda"
    image   = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quarry-producer-lambda:1.0"
  }

  assert {
    condition     = length(module.ecs) == 0 && length(module.lambda) == 1
    error_message = "A function needs no load balancer and no tasks."
  }
  assert {
    condition     = output.errors == { namespace = "AWS/ApiGateway", metric = "5xx", dimensions = { ApiId = output.errors.dimensions.ApiId } }
    error_message = "Of a function, the HTTP API counts the errors."
  }
  assert {
    condition     = output.service_name == null && output.function_name == "quarry-producer"
    error_message = "There is a function, and no service."
  }
}

run "refuses_a_reader_whose_name_no_rule_takes" {
  # Says: A name of who reads metrics has
  command = plan

  module {
    source = "./modules/producer_service"
  }
  variables {
    runs_on         = "ecs"
    metrics_readers = { "the team's prometheus" = "sg-prometheus" }
  }

  expect_failures = [var.metrics_readers]
}
