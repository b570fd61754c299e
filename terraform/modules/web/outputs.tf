output "security_group_id" {
  description = "The tasks' group."
  value       = aws_security_group.task.id
}

output "balancer_arn" {
  description = "The load balancer."
  value       = aws_lb.this.arn
}

output "balancer_dns" {
  description = "The load balancer's own name and zone, for aliases."
  value       = { name = aws_lb.this.dns_name, zone_id = aws_lb.this.zone_id }
}

output "metrics" {
  description = "What load balancer and target group are called in metrics."
  value       = { balancer = aws_lb.this.arn_suffix, target_group = aws_lb_target_group.this.arn_suffix }
}

output "cluster_name" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "service_name" {
  description = "The ECS service."
  value       = aws_ecs_service.this.name
}

output "log_group" {
  description = "Where its standard output goes."
  value       = aws_cloudwatch_log_group.this.name
}
