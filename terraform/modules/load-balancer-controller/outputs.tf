output "role_arn" {
  description = "The controller's role."
  value       = module.role.role_arn
}
