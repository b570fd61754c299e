output "security_group_id" {
  description = "The group of machines whose configuration names none."
  value       = aws_security_group.this.id
}

output "provision_statements" {
  description = "What provision-instance may do with EC2."
  value       = concat(local.launch, local.profiles, local.power, local.look)
}

output "stop_statements" {
  description = "What stop-ec2 may do with EC2."
  value       = local.stop
}
