output "security_group_id" {
  description = "The load balancer's group, for the Ingress."
  value       = aws_security_group.this.id
}

output "url" {
  description = "Where the services are."
  value       = "https://${var.host}"
}

output "alias_exists" {
  description = "Whether the name leads to the load balancer yet."
  value       = var.balancer_exists
}

output "balancer_metrics" {
  description = "What the load balancer is called in metrics, once it exists."
  value       = { for balancer in data.aws_lb.this : "services" => balancer.arn_suffix }
}
