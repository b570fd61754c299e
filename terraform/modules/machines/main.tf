# What users' machines may be: the group they are in, and the permissions to launch them, bounded by tags, types,
# subnets, groups, images and settings. The statements are the only way to EC2 that any part gets. A machine's mark,
# the tag `cloudapp:managed`, names the installation that made it: no other one may mark or touch it.

locals {
  ec2     = "arn:${var.context.partition}:ec2:${var.context.region}:${var.context.account_id}"
  managed = { StringEquals = { "aws:ResourceTag/cloudapp:managed" = var.context.name } }
  vpc_arn = "${local.ec2}:vpc/${var.vpc_id}"

  launch = [
    {
      Sid      = "LaunchMarkedMachines"
      Effect   = "Allow"
      Action   = "ec2:RunInstances"
      Resource = "${local.ec2}:instance/*"
      Condition = {
        StringEquals  = { "aws:RequestTag/cloudapp:managed" = var.context.name, "ec2:MetadataHttpTokens" = "required" }
        StringLike    = { "ec2:InstanceType" = var.instance_types }
        NumericEquals = { "ec2:MetadataHttpPutResponseHopLimit" = "1" }
      }
    },
    {
      Sid      = "WithEncryptedMarkedVolumes"
      Effect   = "Allow"
      Action   = "ec2:RunInstances"
      Resource = "${local.ec2}:volume/*"
      Condition = {
        StringEquals          = { "aws:RequestTag/cloudapp:managed" = var.context.name, "ec2:VolumeType" = "gp3" }
        Bool                  = { "ec2:Encrypted" = "true" }
        NumericLessThanEquals = { "ec2:VolumeSize" = tostring(var.largest_volume_gib) }
      }
    },
    {
      Sid      = "InTheMachinesSubnets"
      Effect   = "Allow"
      Action   = "ec2:RunInstances"
      Resource = [for id in var.subnet_ids : "${local.ec2}:subnet/${id}"]
    },
    {
      Sid       = "WithInterfacesThere"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = "${local.ec2}:network-interface/*"
      Condition = { ArnEquals = { "ec2:Subnet" = [for id in var.subnet_ids : "${local.ec2}:subnet/${id}"] } }
    },
    {
      Sid      = "InTheMachinesGroups"
      Effect   = "Allow"
      Action   = "ec2:RunInstances"
      Resource = [for id in concat([aws_security_group.this.id], var.further_security_group_ids) : "${local.ec2}:security-group/${id}"]
    },
    {
      Sid       = "FromTrustedImages"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = "arn:${var.context.partition}:ec2:${var.context.region}::image/*"
      Condition = { StringEquals = { "ec2:Owner" = concat(var.image_owners, [var.context.account_id]) } }
    },
    {
      Sid      = "ImagesByPublicAlias"
      Effect   = "Allow"
      Action   = "ssm:GetParameters"
      Resource = "arn:${var.context.partition}:ssm:${var.context.region}::parameter/aws/service/*"
    },
    {
      # EC2 makes this role by itself when an account asks for its first spot machine.
      Sid       = "FirstSpotMachineOfTheAccount"
      Effect    = "Allow"
      Action    = "iam:CreateServiceLinkedRole"
      Resource  = "arn:${var.context.partition}:iam::${var.context.account_id}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"
      Condition = { StringEquals = { "iam:AWSServiceName" = "spot.amazonaws.com" } }
    },
    {
      Sid       = "MarkAtLaunch"
      Effect    = "Allow"
      Action    = "ec2:CreateTags"
      Resource  = ["${local.ec2}:instance/*", "${local.ec2}:volume/*"]
      Condition = { StringEquals = { "ec2:CreateAction" = "RunInstances" } }
    },
    {
      # Later only the owner is written, and only on our own machines.
      Sid      = "NameTheOwner"
      Effect   = "Allow"
      Action   = "ec2:CreateTags"
      Resource = "${local.ec2}:instance/*"
      Condition = {
        StringEquals                = { "aws:ResourceTag/cloudapp:managed" = var.context.name }
        "ForAllValues:StringEquals" = { "aws:TagKeys" = ["cloudapp:owner"] }
        Null                        = { "aws:TagKeys" = "false" }
      }
    },
  ]

  profiles = length(var.profile_role_arns) == 0 ? [] : [{
    Sid       = "GiveMachinesNamedRoles"
    Effect    = "Allow"
    Action    = "iam:PassRole"
    Resource  = var.profile_role_arns
    Condition = { StringEquals = { "iam:PassedToService" = "ec2.amazonaws.com" } }
  }]

  power = [{
    Sid       = "PowerOfMarkedMachines"
    Effect    = "Allow"
    Action    = ["ec2:StartInstances", "ec2:StopInstances", "ec2:TerminateInstances", "ec2:GetConsoleOutput"]
    Resource  = "${local.ec2}:instance/*"
    Condition = local.managed
  }]

  stop = [{
    Sid       = "StopMarkedMachines"
    Effect    = "Allow"
    Action    = ["ec2:StopInstances", "ec2:TerminateInstances"]
    Resource  = "${local.ec2}:instance/*"
    Condition = local.managed
  }]

  look = [{
    # EC2 knows no resources for these; they change nothing.
    Sid       = "Look"
    Effect    = "Allow"
    Action    = ["ec2:DescribeInstances", "ec2:DescribeImages", "ec2:DescribeSubnets"]
    Resource  = "*"
    Condition = { StringEquals = { "aws:RequestedRegion" = var.context.region } }
  }]
}

resource "aws_security_group" "this" {
  name        = "${var.context.name}-machines"
  description = "Users' machines: SSH from where users are; everything out"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.context.name}-machines" }
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  for_each = var.ssh_cidrs

  security_group_id = aws_security_group.this.id
  description       = "SSH from ${each.key}"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.this.id
  description       = "Packages, boot reports, whatever users do"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}
