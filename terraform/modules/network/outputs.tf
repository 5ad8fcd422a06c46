output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "private_subnet_ids" {
  description = "Subnets without a way to the internet, one for each zone."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
}

output "public_subnet_ids" {
  description = "Subnets with one, where there are such."
  value       = [for zone in local.zones : aws_subnet.public[zone].id if var.public_subnets]
}

output "zones" {
  description = "Names of the zones."
  value       = local.zones
}
