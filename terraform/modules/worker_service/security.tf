resource "aws_security_group" "worker" {
  name        = local.name
  description = "Quarry workers: they call out, and nobody calls them, except who reads their metrics."
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = local.name })
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.worker.id
  description       = "AWS, and model providers"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
  tags              = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  for_each = var.metrics_readers

  security_group_id            = aws_security_group.worker.id
  referenced_security_group_id = each.value
  description                  = "Metrics, for ${each.key}"
  ip_protocol                  = "tcp"
  from_port                    = local.metrics_port
  to_port                      = local.metrics_port
  tags                         = var.tags
}
