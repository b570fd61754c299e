output "helm_values" {
  description = "The chart's values."
  value       = module.cloudapp.helm_values
}

output "load_balancer_controller" {
  description = "What the AWS Load Balancer Controller's own chart is installed with."
  value       = module.cloudapp.load_balancer_controller
}

output "services" {
  description = "The internal load balancer."
  value       = module.cloudapp.services
}

output "web" {
  description = "The web tier."
  value       = module.cloudapp.web
}

output "images" {
  description = "Where each image is pushed."
  value       = module.cloudapp.images
}

output "identity" {
  description = "The user pool."
  value       = module.cloudapp.identity
}

output "api_url" {
  description = "API Gateway."
  value       = module.cloudapp.api_url
}

output "buckets" {
  description = "The buckets."
  value       = module.cloudapp.buckets
}

output "queues" {
  description = "The queues."
  value       = module.cloudapp.queues
}

output "topics" {
  description = "The topics."
  value       = module.cloudapp.topics
}

output "alarms" {
  description = "All alarms."
  value       = module.cloudapp.alarms
}
