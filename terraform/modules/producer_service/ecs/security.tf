# Callers reach the load balancer; the load balancer reaches one port of the tasks. The metrics port is for those who are named.

resource "aws_security_group" "load_balancer" {
  name        = "${var.name}-load-balancer"
  description = "Callers of the API"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-load-balancer" })
}

resource "aws_vpc_security_group_ingress_rule" "callers" {
  for_each = toset(var.allowed_cidrs)

  security_group_id = aws_security_group.load_balancer.id
  description       = "Callers"
  ip_protocol       = "tcp"
  from_port         = local.tls ? 443 : 80
  to_port           = local.tls ? 443 : 80
  cidr_ipv4         = each.value
  tags              = var.tags
}

resource "aws_vpc_security_group_egress_rule" "to_tasks" {
  security_group_id            = aws_security_group.load_balancer.id
  referenced_security_group_id = aws_security_group.producer.id
  description                  = "Port of the API, and no other"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_security_group" "producer" {
  name        = var.name
  description = "Tasks of the API"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = var.name })
}

resource "aws_vpc_security_group_ingress_rule" "from_load_balancer" {
  security_group_id            = aws_security_group.producer.id
  referenced_security_group_id = aws_security_group.load_balancer.id
  description                  = "Port of the API, and no other"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  tags                         = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  for_each = var.metrics_readers

  security_group_id            = aws_security_group.producer.id
  referenced_security_group_id = each.value
  description                  = "Metrics, for ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = local.metrics_port
  to_port                      = local.metrics_port
  tags                         = var.tags
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.producer.id
  description       = "AWS, and identity providers"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = var.tags
}
