# Rates, and callers that AWS knows to be bad. AWS's rules about bodies (core rule set, known bad inputs) are left out on purpose:
# they refuse what is larger than 8 KiB, and prompts that contain code.

resource "aws_wafv2_web_acl" "producer" {
  #checkov:skip=CKV2_AWS_31: the access log says which requests the firewall refused, and its metrics and samples by which rule
  #checkov:skip=CKV_AWS_192: no Java is behind it, and its rules on bodies refuse prompts that contain code

  name        = var.name
  description = "Rates of callers of the API"
  scope       = "REGIONAL"
  tags        = var.tags

  default_action {
    allow {}
  }

  rule {
    name     = "rate-of-an-address"
    priority = 1

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = var.requests_per_five_min
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-rate-of-an-address"
      sampled_requests_enabled   = false
    }
  }

  # A bulk submission is up to 500 jobs: a tenth of an address's requests may be such.
  rule {
    name     = "rate-of-bulk-submissions"
    priority = 2

    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }

    statement {
      rate_based_statement {
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
        limit                 = max(10, floor(var.requests_per_five_min / 10))

        scope_down_statement {
          byte_match_statement {
            search_string         = "/v1/jobs/bulk"
            positional_constraint = "STARTS_WITH"

            field_to_match {
              uri_path {}
            }

            text_transformation {
              priority = 0
              type     = "NORMALIZE_PATH"
            }
          }
        }
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-rate-of-bulk-submissions"
      sampled_requests_enabled   = false
    }
  }

  rule {
    name     = "AWSManagedRulesAmazonIpReputationList"
    priority = 3

    override_action {
      none {}
    }

    statement {
      managed_rule_group_statement {
        vendor_name = "AWS"
        name        = "AWSManagedRulesAmazonIpReputationList"
      }
    }

    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-AWSManagedRulesAmazonIpReputationList"
      # A sample would hold headers, and so keys.
      sampled_requests_enabled = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "producer" {
  resource_arn = aws_lb.producer.arn
  web_acl_arn  = aws_wafv2_web_acl.producer.arn
}
