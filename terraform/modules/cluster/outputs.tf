output "name" {
  description = "The cluster's name."
  value       = aws_eks_cluster.this.name
}

output "security_group_id" {
  description = "The group of the cluster and, unless a SecurityGroupPolicy says otherwise, of its pods."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "oidc" {
  description = "The cluster's issuer, for the trust of service accounts' roles."
  value = {
    provider_arn = aws_iam_openid_connect_provider.this.arn
    issuer       = replace(aws_eks_cluster.this.identity[0].oidc[0].issuer, "https://", "")
  }
}

output "pod_log_group" {
  description = "Where pods' standard output goes."
  value       = aws_cloudwatch_log_group.pods.name
}
