output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "The VPC's addresses."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "Subnets of the public load balancer, by order of zones."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "app_subnet_ids" {
  description = "Subnets of services, Lambdas and web, by order of zones."
  value       = [for zone in var.zones : aws_subnet.apps[zone].id]
}

output "app_cidrs" {
  description = "Addresses of services, Lambdas and web."
  value       = [for zone in var.zones : local.app_cidrs[zone]]
}

output "database_subnet_ids" {
  description = "Subnets of the database, by order of zones."
  value       = [for zone in var.zones : aws_subnet.database[zone].id]
}

output "machine_subnet_ids" {
  description = "Subnets that machines are launched into, by order of zones."
  value       = [for zone in var.zones : aws_subnet.machines[zone].id]
}

output "machine_cidrs" {
  description = "Addresses of machines."
  value       = [for zone in var.zones : local.machine_cidrs[zone]]
}

output "nat_addresses" {
  description = "The public addresses that services, Lambdas and web come from, by zone."
  value       = { for zone, address in aws_eip.nat : zone => address.public_ip }
}
