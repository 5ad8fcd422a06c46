output "url" {
  description = "Where the API answers."
  value       = aws_apigatewayv2_api.producer.api_endpoint
}

output "dns_name" {
  description = "Host name of the HTTP API."
  value       = trimprefix(aws_apigatewayv2_api.producer.api_endpoint, "https://")
}

output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.producer.function_name
}

output "errors" {
  description = "The metric that counts the API's own errors."
  value = {
    namespace  = "AWS/ApiGateway"
    metric     = "5xx"
    dimensions = { ApiId = aws_apigatewayv2_api.producer.id }
  }
}

output "environment" {
  description = "The function's environment."
  value       = var.settings
}
