output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Subnets without a way to the internet, one for each zone."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]

  # Who runs there needs the way to AWS, from the first moment to the end of its drain.
  depends_on = [aws_route_table_association.private, aws_vpc_endpoint.gateway, aws_vpc_endpoint.interface, aws_vpc_security_group_ingress_rule.endpoints]
}

output "public_subnet_ids" {
  description = "Subnets with one, where there are such."
  value       = [for zone in local.zones : aws_subnet.public[zone].id if var.public_subnets]

  # Who is there is for callers from the internet.
  depends_on = [aws_route.internet, aws_route_table_association.public]
}

output "zones" {
  description = "Names of the zones."
  value       = local.zones
}
