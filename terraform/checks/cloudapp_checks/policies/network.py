"""What can be reached, and how."""

from . import Report, policy
from ..plan import Plan

ANYWHERE = {"0.0.0.0/0", "::/0"}


@policy
def nothing_is_open_to_the_world(plan: Plan, report: Report) -> None:
    """No security group admits the world; the database admits groups on its port only; Kubernetes is not public."""
    database = {group.get("id") for group in plan.of("aws_security_group") if group.get("name").endswith("-database")}
    report.expect("database group", len(database) == 1, "is not to be found")
    for rule in plan.of("aws_vpc_security_group_ingress_rule"):
        source = {rule.get("cidr_ipv4"), rule.get("cidr_ipv6")}
        report.expect(rule, not source & ANYWHERE, "admits the world")
        if rule.get("security_group_id") in database:
            report.expect(
                rule,
                rule.get("referenced_security_group_id") is not None and rule.get("from_port") == rule.get("to_port") == 5432,
                "admits more to the database than PostgreSQL from a group",
            )
    for cluster in plan.of("aws_eks_cluster"):
        access = cluster.block("vpc_config")
        public = access["endpoint_public_access"] and ANYWHERE & set(access["public_access_cidrs"] or ANYWHERE)
        report.expect(cluster, access["endpoint_private_access"] and not public, "has an API that the world can reach")
    for group in plan.of("aws_default_security_group"):
        report.expect(group, not group.get("ingress") and not group.get("egress"), "lets something through")


@policy
def tiers_are_apart(plan: Plan, report: Report) -> None:
    """Three zones; tasks and functions in private subnets; the database where no route leads out; NAT in each zone."""
    subnets = plan.of("aws_subnet")
    zones = {subnet.get("availability_zone") for subnet in subnets}
    report.expect("subnets", len(zones) == 3, f"are in {len(zones)} zones")
    public = {subnet.get("id") for subnet in subnets if "public" in subnet.get("tags_all")["Name"]}
    for service in plan.of("aws_ecs_service"):
        network = service.block("network_configuration")
        report.expect(service, not network["assign_public_ip"] and not public & set(network["subnets"]), "is in a public subnet")
    for function in plan.of("aws_lambda_function"):
        for network in function.get("vpc_config", []):
            report.expect(function, not public & set(network["subnet_ids"]), "is in a public subnet")
    for profile in plan.of("aws_eks_fargate_profile"):
        report.expect(profile, not public & set(profile.get("subnet_ids")), "is in a public subnet")
    routes = {route.get("route_table_id") for route in plan.of("aws_route")}
    for table in plan.of("aws_route_table"):
        if table.get("tags_all")["Name"].endswith("-database"):
            report.expect(table, table.get("id") not in routes, "leads out")
    report.expect("NAT gateways", len(plan.of("aws_nat_gateway")) == 3, "are not one for each zone")
    report.expect("VPC", len(plan.of("aws_flow_log")) == 1, "writes no flow log")


@policy
def tls_is_current(plan: Plan, report: Report) -> None:
    """Load balancers and CloudFront talk TLS 1.2 or newer, and nothing else, in front and behind."""
    for listener in plan.of("aws_lb_listener"):
        report.expect(
            listener, listener.get("protocol") == "HTTPS" and "TLS13" in listener.get("ssl_policy", ""), "takes old TLS, or none"
        )
    for balancer in plan.of("aws_lb"):
        report.expect(balancer, balancer.get("drop_invalid_header_fields") is True, "passes invalid headers on")
    for distribution in plan.of("aws_cloudfront_distribution"):
        certificate = distribution.block("viewer_certificate")
        report.expect(distribution, certificate["minimum_protocol_version"] == "TLSv1.2_2021", "takes old TLS")
        for origin in distribution.get("origin"):
            for custom in origin["custom_origin_config"]:
                report.expect(distribution, custom["origin_protocol_policy"] == "https-only", "talks plain HTTP to its origin")
            report.expect(
                distribution,
                bool(origin["custom_origin_config"] or origin["origin_access_control_id"]),
                "reads a bucket without origin access control",
            )
        for behaviour in distribution.get("default_cache_behavior") + distribution.get("ordered_cache_behavior"):
            report.expect(
                distribution, behaviour["viewer_protocol_policy"] in ("redirect-to-https", "https-only"), "answers plain HTTP"
            )


@policy
def firewalls_are_attached(plan: Plan, report: Report) -> None:
    """CloudFront, the public load balancer and the user pool have a firewall, which logs, without tokens and cookies."""
    for distribution in plan.of("aws_cloudfront_distribution"):
        report.expect(distribution, bool(distribution.get("web_acl_id")), "has no firewall")
    guarded = {one.get("resource_arn") for one in plan.of("aws_wafv2_web_acl_association")}
    for resource in plan.of("aws_lb", "aws_cognito_user_pool"):
        report.expect(resource, resource.get("arn") in guarded, "has no firewall")
    logging = {one.get("resource_arn"): one for one in plan.of("aws_wafv2_web_acl_logging_configuration")}
    for acl in plan.of("aws_wafv2_web_acl"):
        log = logging.get(acl.get("arn"))
        headers = {header["name"] for field in (log.get("redacted_fields") if log else []) for header in field["single_header"]}
        report.expect(acl, {"authorization", "cookie"} <= headers, "logs nothing, or tokens and cookies")
        rules = {rule["name"] for rule in acl.get("rule")}
        report.expect(
            acl,
            {"limit-per-address", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"} <= rules,
            "misses its rules",
        )


@policy
def machines_report_only(plan: Plan, report: Report) -> None:
    """From machines' addresses, the services' firewall lets only reports in."""
    for acl in plan.of("aws_wafv2_web_acl"):
        if not acl.get("name").endswith("-services"):
            continue
        first = min(acl.get("rule"), key=lambda rule: rule["priority"])
        report.expect(
            acl, first["name"] == "machines-report-only" and bool(first["action"][0]["block"]), "does not bound machines first"
        )


@policy
def routes_want_tokens(plan: Plan, report: Report) -> None:
    """Each route of the API wants a token; the stage throttles and writes an access log."""
    for route in plan.of("aws_apigatewayv2_route"):
        report.expect(route, route.get("authorization_type") == "JWT" and bool(route.get("authorizer_id")), "wants no token")
    for stage in plan.of("aws_apigatewayv2_stage"):
        settings = stage.block("default_route_settings")
        report.expect(stage, (settings.get("throttling_rate_limit") or 0) > 0, "does not throttle")
        report.expect(stage, bool(stage.block("access_log_settings").get("destination_arn")), "writes no access log")
