# A function behind an HTTP API. Bodies and waits are smaller than in a task: Lambda takes 6 MB, and the HTTP API waits 30 s.
# WAF cannot stand before an HTTP API; its own throttling bounds the rate of all callers together.

resource "aws_lambda_function" "producer" {
  #checkov:skip=CKV_AWS_116: an HTTP API calls it and waits for the answer: nothing is left over for a dead-letter queue
  #checkov:skip=CKV_AWS_117: it needs AWS's APIs only, which it reaches without a network of ours; a VPC would need endpoints or NAT
  #checkov:skip=CKV_AWS_272: code signing is for zip archives: this is an image
  #checkov:skip=CKV_AWS_50: traces are Quarry's own, by traceparent; X-Ray is not among its permissions

  function_name                  = var.name
  description                    = "Quarry's REST API"
  package_type                   = "Image"
  image_uri                      = var.image
  role                           = var.role_arn
  architectures                  = [var.architecture == "ARM64" ? "arm64" : "x86_64"]
  memory_size                    = var.memory_mib
  timeout                        = 30
  reserved_concurrent_executions = var.most_at_a_time
  kms_key_arn                    = var.kms_key_arn
  tags                           = var.tags

  environment {
    variables = var.settings
  }

  logging_config {
    log_format = "Text" # The lines are JSON already.
    log_group  = var.log_group_name
  }

  lifecycle {
    precondition {
      condition     = length(var.secrets) == 0
      error_message = "`secrets` are put into tasks by ECS; a function has none: let the API run on ECS, or leave them out."
    }
  }
}

resource "aws_lambda_permission" "api" {
  statement_id  = "HttpApi"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.producer.function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.producer.execution_arn}/*/*"
}

resource "aws_apigatewayv2_api" "producer" {
  name          = var.name
  description   = "Quarry's REST API"
  protocol_type = "HTTP"
  tags          = var.tags
}

resource "aws_apigatewayv2_integration" "producer" {
  api_id                 = aws_apigatewayv2_api.producer.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.producer.invoke_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

# All paths and methods: the function answers 404 and 405 itself, as a task does. Callers prove who they are to it.
resource "aws_apigatewayv2_route" "all" {
  #checkov:skip=CKV_AWS_309: the function asks callers who they are, by the same keys and tokens as in a task

  api_id             = aws_apigatewayv2_api.producer.id
  route_key          = "$default"
  target             = "integrations/${aws_apigatewayv2_integration.producer.id}"
  authorization_type = "NONE"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/quarry/${var.name}/access"
  retention_in_days = var.access_log_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = aws_apigatewayv2_api.producer.id
  name        = "$default"
  auto_deploy = true
  tags        = var.tags

  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = 2 * var.requests_per_second
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn

    format = jsonencode({
      at       = "$context.requestTime"
      address  = "$context.identity.sourceIp"
      method   = "$context.httpMethod"
      path     = "$context.path"
      status   = "$context.status"
      latency  = "$context.responseLatency"
      request  = "$context.requestId"
      failure  = "$context.integrationErrorMessage"
      protocol = "$context.protocol"
    })
  }
}
