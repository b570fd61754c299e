output "access_logs_bucket" {
  description = "Where load balancers write their access logs, once they may."
  value       = module.access_bucket.name
}

output "trail_arn" {
  description = "The trail."
  value       = local.trail_arn
}
