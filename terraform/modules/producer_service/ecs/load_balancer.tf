locals {
  tls = var.certificate_arn != null
}

resource "aws_lb" "producer" {
  #checkov:skip=CKV2_AWS_20: with a certificate nothing listens on port 80: a redirect answers whoever has sent a key in clear already

  name                       = var.name
  internal                   = var.internal
  load_balancer_type         = "application"
  subnets                    = var.load_balancer_subnet_ids
  security_groups            = [aws_security_group.load_balancer.id]
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = var.deletion_protection
  # Above the longest long-poll (30 s), below the time for which the API keeps idle connections (75 s).
  idle_timeout = 60
  tags         = var.tags

  access_logs {
    bucket  = aws_s3_bucket.access_logs.id
    enabled = true
  }

  # The load balancer tries to write there when it is made.
  depends_on = [aws_s3_bucket_policy.access_logs]

  lifecycle {
    precondition {
      condition     = local.tls || !var.require_tls
      error_message = "No certificate: callers' keys would cross the network readable. Give `certificate_arn`, or let the API run on Lambda, whose endpoint has one."
    }
  }
}

resource "aws_lb_target_group" "producer" {
  #checkov:skip=CKV_AWS_378: from the load balancer to the tasks, within the VPC and between two security groups; the API serves no TLS

  name                 = var.name
  port                 = local.port
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 35 # Above the longest long-poll.
  tags                 = var.tags

  health_check {
    # ECS replaces what its target group finds ill: by /readyz, an outage of SQS or DynamoDB would have it kill every task, and a
    # task that cannot find them does not start.
    path                = "/livez"
    port                = "traffic-port"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  count = local.tls ? 1 : 0

  load_balancer_arn = aws_lb.producer.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.producer.arn
  }
}

# For an emulated AWS only. Beside https it would be for callers who say http:// by mistake: they would have sent their key in clear
# before they are sent on.
resource "aws_lb_listener" "http" {
  #checkov:skip=CKV_AWS_2: without a certificate only, which a precondition of the load balancer refuses unless TLS is given up
  #checkov:skip=CKV_AWS_103: as above

  count = local.tls ? 0 : 1

  load_balancer_arn = aws_lb.producer.arn
  port              = 80
  protocol          = "HTTP"
  tags              = var.tags

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.producer.arn
  }
}
