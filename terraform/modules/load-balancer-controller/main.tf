# The AWS Load Balancer Controller's role. It makes one internal load balancer of a known name in one VPC; security
# groups and their rules are Terraform's, so it may touch none of them.

locals {
  elb     = "arn:${var.context.partition}:elasticloadbalancing:${var.context.region}:${var.context.account_id}"
  tag     = "elbv2.k8s.aws/cluster"
  balance = "${local.elb}:loadbalancer/app/${var.load_balancer_name}/*"
  parts = [
    "${local.elb}:listener/app/${var.load_balancer_name}/*",
    "${local.elb}:listener-rule/app/${var.load_balancer_name}/*",
  ]
  # The controller names target groups k8s-NAMESPACE-SERVICE-HASH.
  groups = "${local.elb}:targetgroup/k8s-${substr(var.namespace, 0, 8)}-*"
  ours   = { StringEquals = { "aws:ResourceTag/${local.tag}" = var.cluster_name } }
  marked = { StringEquals = { "aws:RequestTag/${local.tag}" = var.cluster_name } }

  statements = [
    {
      # Reads that know no resources.
      Sid    = "Look"
      Effect = "Allow"
      Action = [
        "ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones",
        "ec2:DescribeInternetGateways", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeTags",
        "ec2:DescribeVpcPeeringConnections", "ec2:DescribeVpcs", "ec2:GetSecurityGroupsForVpc",
        "elasticloadbalancing:DescribeCapacityReservation", "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListenerCertificates", "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeSSLPolicies",
        "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:DescribeTrustStores",
        "acm:ListCertificates", "acm:DescribeCertificate", "wafv2:GetWebACLForResource",
        "shield:GetSubscriptionState",
      ]
      Resource  = "*"
      Condition = { StringEquals = { "aws:RequestedRegion" = var.context.region } }
    },
    {
      Sid       = "CreateOneBalancer"
      Effect    = "Allow"
      Action    = "elasticloadbalancing:CreateLoadBalancer"
      Resource  = local.balance
      Condition = local.marked
    },
    {
      Sid       = "CreateTargetGroups"
      Effect    = "Allow"
      Action    = "elasticloadbalancing:CreateTargetGroup"
      Resource  = local.groups
      Condition = local.marked
    },
    {
      Sid      = "CreateListenersAndRules"
      Effect   = "Allow"
      Action   = ["elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateRule"]
      Resource = concat([local.balance], local.parts)
    },
    {
      Sid      = "MarkWhatItMakes"
      Effect   = "Allow"
      Action   = "elasticloadbalancing:AddTags"
      Resource = concat([local.balance, local.groups], local.parts)
      Condition = {
        StringEquals = {
          "elasticloadbalancing:CreateAction" = ["CreateListener", "CreateLoadBalancer", "CreateRule", "CreateTargetGroup"]
        }
      }
    },
    {
      Sid       = "ChangeItsOwn"
      Effect    = "Allow"
      Resource  = concat([local.balance, local.groups], local.parts)
      Condition = local.ours
      Action = [
        "elasticloadbalancing:AddListenerCertificates", "elasticloadbalancing:AddTags",
        "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DeleteRule", "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyListenerAttributes", "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:ModifyRule", "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes", "elasticloadbalancing:RegisterTargets",
        "elasticloadbalancing:RemoveListenerCertificates", "elasticloadbalancing:RemoveTags",
        "elasticloadbalancing:SetIpAddressType", "elasticloadbalancing:SetRulePriorities",
        "elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets",
        "elasticloadbalancing:SetWebAcl",
      ]
    },
    {
      Sid      = "AttachTheFirewall"
      Effect   = "Allow"
      Action   = ["wafv2:AssociateWebACL", "wafv2:DisassociateWebACL", "wafv2:GetWebACL"]
      Resource = [var.web_acl_arn, local.balance]
    },
    {
      Sid       = "FirstBalancerOfTheAccount"
      Effect    = "Allow"
      Action    = "iam:CreateServiceLinkedRole"
      Resource  = "arn:${var.context.partition}:iam::${var.context.account_id}:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing"
      Condition = { StringEquals = { "iam:AWSServiceName" = "elasticloadbalancing.amazonaws.com" } }
    },
  ]
}

module "role" {
  source = "../service-account"

  context                  = var.context
  namespace                = "kube-system"
  service_account          = "aws-load-balancer-controller"
  oidc                     = var.oidc
  statements               = local.statements
  permissions_boundary_arn = var.permissions_boundary_arn
}
