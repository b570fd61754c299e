# How web and machines find the services: a private name for the internal load balancer. The AWS Load Balancer
# Controller makes the balancer from the chart's Ingress; its group and its name are made here, so that both sides
# know them before. The alias needs the balancer: `balancer_exists` is set by the second apply.

resource "aws_security_group" "this" {
  name        = var.load_balancer_name
  description = "The services' internal load balancer: TLS from web and machines"
  vpc_id      = var.vpc_id
  tags        = { Name = var.load_balancer_name }
}

resource "aws_vpc_security_group_ingress_rule" "group" {
  for_each = var.client_security_group_ids

  security_group_id            = aws_security_group.this.id
  description                  = "TLS from ${each.key}"
  referenced_security_group_id = each.value
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

# Machines may be in groups of your own, so they are known by their subnets.
resource "aws_vpc_security_group_ingress_rule" "cidr" {
  for_each = toset(var.client_cidrs)

  security_group_id = aws_security_group.this.id
  description       = "Boot reports from ${each.key}"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "pods" {
  security_group_id            = aws_security_group.this.id
  description                  = "Pods"
  referenced_security_group_id = var.pod_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = var.pod_port
  to_port                      = var.pod_port
}

# So the controller needs no right to change security groups.
resource "aws_vpc_security_group_ingress_rule" "pods" {
  security_group_id            = var.pod_security_group_id
  description                  = "From the services' internal load balancer"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = var.pod_port
  to_port                      = var.pod_port
}

resource "aws_route53_zone" "this" {
  name    = var.host
  comment = "CloudApp's services, seen from the VPC only"

  vpc {
    vpc_id = var.vpc_id
  }
}

data "aws_lb" "this" {
  count = var.balancer_exists ? 1 : 0

  name = var.load_balancer_name
}

resource "aws_route53_record" "this" {
  count = var.balancer_exists ? 1 : 0

  zone_id = aws_route53_zone.this.zone_id
  name    = var.host
  type    = "A"

  alias {
    name                   = data.aws_lb.this[0].dns_name
    zone_id                = data.aws_lb.this[0].zone_id
    evaluate_target_health = true
  }

  lifecycle {
    precondition {
      condition     = data.aws_lb.this[0].internal
      error_message = "The load balancer ${var.load_balancer_name} is not internal: set the Ingress's scheme to internal."
    }
  }
}
