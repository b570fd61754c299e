"""What boto3 finds after the apply: names and wiring that the programs rely on, seen from outside Terraform."""

import json


class NotThere(AssertionError):
    """Something that the programs rely on is missing or different."""


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise NotThere(what)


def judge(aws, values: dict) -> None:
    """Looks at queues, events, functions, identity, gateway, statistics, keys, the launch, the alias, what Helm gets."""
    checks = (_queues, _events, _functions, _identity, _gateway, _statistics, _authority, _machines, _alias, _values)
    wrong = []
    for check in checks:
        try:
            check(aws, values)
        except NotThere as fault:
            wrong.append(str(fault))
    if wrong:
        raise NotThere("boto3 finds:\n  " + "\n  ".join(wrong))
    print(f"boto3: {len(checks)} looks at what exists")


def _queues(aws, values) -> None:
    sqs = aws("sqs")
    for name, visibility in (("cloudapp-login", 60), ("cloudapp-mail", 180), ("cloudapp-instance-events", 60)):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        dead = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
        _expect(dead.endswith(f":{name}-dlq"), f"{name} has no dead-letter queue")
        _expect(int(attributes["VisibilityTimeout"]) == visibility, f"{name}: visibility is {attributes['VisibilityTimeout']}")
    _expect(
        values["provisionInstance"]["loginQueueUrl"] == sqs.get_queue_url(QueueName="cloudapp-login")["QueueUrl"],
        "the chart gets another login queue",
    )


def _events(aws, values) -> None:
    events = aws("events")
    kinds = set()
    for rule in events.list_rules(NamePrefix="cloudapp-")["Rules"]:
        pattern = json.loads(rule["EventPattern"])
        _expect(pattern["source"] == ["aws.ec2"] and rule["State"] == "ENABLED", f"{rule['Name']} hears something else")
        kinds |= set(pattern["detail-type"])
        targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        _expect(
            [target["Arn"].rsplit(":", 1)[-1] for target in targets] == ["cloudapp-instance-events"],
            f"{rule['Name']} tells somebody else",
        )
    _expect(
        kinds == {"EC2 Instance State-change Notification", "EC2 Spot Instance Interruption Warning"}, f"EventBridge hears {kinds}"
    )


def _functions(aws, values) -> None:
    functions = aws("lambda")
    wanted = {
        "cloudapp-auth": {"CLOUDAPP_ADMIN_TOPIC_ARN", "CLOUDAPP_FIRST_SEEN_BUCKET", "CLOUDAPP_WEB_URL"},
        "cloudapp-login-poller": {
            "CLOUDAPP_ISSUER",
            "CLOUDAPP_JWKS_URL",
            "CLOUDAPP_CLIENT_ID",
            "DATABASE_URL",
            "CLOUDAPP_DATABASE_AUTH",
            "CLOUDAPP_DATABASE_CONNECTIONS",
        },
        "cloudapp-stop-ec2": {
            "CLOUDAPP_ISSUER",
            "CLOUDAPP_JWKS_URL",
            "CLOUDAPP_CLIENT_ID",
            "DATABASE_URL",
            "CLOUDAPP_DATABASE_AUTH",
            "CLOUDAPP_DATABASE_CONNECTIONS",
            "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL",
        },
    }
    for name, variables in wanted.items():
        found = functions.get_function_configuration(FunctionName=name)
        environment = found["Environment"]["Variables"]
        _expect(variables | {"RUST_LOG", "CLOUDAPP_LOG_FORMAT"} == set(environment), f"{name} is told {sorted(environment)}")
        _expect(found["Runtime"] == "provided.al2023" and found["Handler"] == "bootstrap", f"{name} has another runtime")
    mappings = functions.list_event_source_mappings()["EventSourceMappings"]
    wiring = [(one["EventSourceArn"].rsplit(":", 1)[-1], one["FunctionArn"].rsplit(":", 1)[-1]) for one in mappings]
    _expect(wiring == [("cloudapp-login", "cloudapp-login-poller")], f"queues are read by {wiring}")


def _identity(aws, values) -> None:
    cognito = aws("cognito-idp")
    pool_id = values["token"]["issuer"].rsplit("/", 1)[-1]
    pool = cognito.describe_user_pool(UserPoolId=pool_id)["UserPool"]
    _expect(pool["UsernameAttributes"] == ["email"] and pool["MfaConfiguration"] == "OPTIONAL", "the pool has other settings")
    _expect(pool["LambdaConfig"]["PreTokenGenerationConfig"]["LambdaVersion"] == "V2_0", "the pre-token trigger is not version 2")
    _expect(pool["LambdaConfig"]["PostAuthentication"].endswith(":cloudapp-auth"), "the post-authentication trigger is another")
    groups = {group["GroupName"] for group in cognito.list_groups(UserPoolId=pool_id)["Groups"]}
    _expect(groups == {"admin", "user"}, f"the groups are {groups}")
    client = cognito.describe_user_pool_client(UserPoolId=pool_id, ClientId=values["token"]["clientId"])["UserPoolClient"]
    _expect(client["AccessTokenValidity"] == 5 and "ClientSecret" not in client, "the client has other settings")
    _expect(values["token"]["jwksUrl"] == values["token"]["issuer"] + "/.well-known/jwks.json", "the keys are elsewhere")


def _gateway(aws, values) -> None:
    gateway = aws("apigatewayv2")
    api = next(api["ApiId"] for api in gateway.get_apis()["Items"] if api["Name"] == "cloudapp")
    routes = {route["RouteKey"]: route for route in gateway.get_routes(ApiId=api)["Items"]}
    _expect(set(routes) == {"GET /executions/{id}", "POST /instances/{id}/force-stop"}, f"the routes are {sorted(routes)}")
    _expect(all(route["AuthorizationType"] == "JWT" for route in routes.values()), "a route wants no token")
    identities = {route["AuthorizerId"] for route in routes.values()}
    _expect(len(identities) == 1, "routes trust different issuers")
    authorizer = gateway.get_authorizer(ApiId=api, AuthorizerId=identities.pop())["JwtConfiguration"]
    _expect(
        authorizer == {"Issuer": values["token"]["issuer"], "Audience": [values["token"]["clientId"]]},
        "the authorizer trusts others",
    )


def _statistics(aws, values) -> None:
    stats = values["viewStats"]
    table = aws("glue").get_table(DatabaseName=stats["athenaDatabase"], Name=stats["athenaTable"])["Table"]
    bucket = values["provisionInstance"]["eventsBucket"]
    _expect(
        table["StorageDescriptor"]["Location"] == f"s3://{bucket}/instance_events/",
        "the table lies elsewhere than events are written",
    )
    _expect([key["Name"] for key in table["PartitionKeys"]] == ["tier", "dt"], "the partitions are others")
    _expect(table["Parameters"]["storage.location.template"].endswith("tier=${tier}/dt=${dt}/"), "the projection finds nothing")
    group = aws("athena").get_work_group(WorkGroup=stats["athenaWorkgroup"])["WorkGroup"]["Configuration"]
    _expect(group["EnforceWorkGroupConfiguration"], "the workgroup can be stepped around")


def _authority(aws, values) -> None:
    key = aws("kms").describe_key(KeyId=values["provisionInstance"]["sshCaKeyId"])["KeyMetadata"]
    _expect((key["KeySpec"], key["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY"), "the certificate authority's key is another")


def _machines(aws, values) -> None:
    """A launch into what the chart tells provision-instance, with the settings that it always asks for."""
    ec2 = aws("ec2")
    machines = values["provisionInstance"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    found = ec2.run_instances(
        ImageId=image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SubnetId=machines["subnets"][0],
        SecurityGroupIds=machines["securityGroups"],
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "cloudapp:managed", "Value": machines["installation"]}]}],
    )["Instances"][0]
    try:
        _expect(found["VpcId"] == values["aws"]["vpcId"], "machines are in another VPC")
        subnet = ec2.describe_subnets(SubnetIds=[machines["subnets"][0]])["Subnets"][0]
        _expect(subnet["MapPublicIpOnLaunch"], "machines get no public address")
    finally:
        ec2.terminate_instances(InstanceIds=[found["InstanceId"]])


def _alias(aws, values) -> None:
    route53 = aws("route53")
    host = values["ingress"]["host"] + "."
    zone = next(zone for zone in route53.list_hosted_zones()["HostedZones"] if zone["Name"] == host)
    _expect(zone["Config"]["PrivateZone"], "the services' zone is public")
    records = route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    aliases = [record["AliasTarget"]["DNSName"] for record in records if record["Name"] == host and record["Type"] == "A"]
    balancer = aws("elbv2").describe_load_balancers(Names=[values["ingress"]["loadBalancerName"]])["LoadBalancers"][0]
    _expect(len(aliases) == 1 and balancer["DNSName"] in aliases[0], f"the services' name leads to {aliases}")


def _values(aws, values) -> None:
    """Nothing that Helm gets is empty, and nothing is a secret."""

    def leaves(value, path=""):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from leaves(inner, f"{path}.{key}")
        else:
            yield path, value

    for path, value in leaves(values):
        _expect(value not in (None, "") and (value != [] or path == ".podSecurityGroups"), f"helm_values{path} is empty")
    text = json.dumps(values)
    _expect("password" not in text.lower() and "://cloudapp_admin:" not in text, "helm_values holds a password")


def leftovers(aws, *own_buckets: str) -> list[str]:
    """What is still there after the destroy, of all kinds that cost or hold something."""
    found = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"] if bucket["Name"] not in own_buckets]
    found += aws("sqs").list_queues().get("QueueUrls", [])
    found += [topic["TopicArn"] for topic in aws("sns").list_topics()["Topics"]]
    found += [one["FunctionName"] for one in aws("lambda").list_functions()["Functions"]]
    found += [one["DBClusterIdentifier"] for one in aws("rds").describe_db_clusters()["DBClusters"]]
    found += aws("eks").list_clusters()["clusters"]
    found += [one["LoadBalancerName"] for one in aws("elbv2").describe_load_balancers()["LoadBalancers"]]
    found += [one["NatGatewayId"] for one in aws("ec2").describe_nat_gateways()["NatGateways"] if one["State"] != "deleted"]
    found += [one["AllocationId"] for one in aws("ec2").describe_addresses()["Addresses"]]
    found += [one["VpcId"] for one in aws("ec2").describe_vpcs()["Vpcs"] if not one["IsDefault"]]
    found += [one["RoleName"] for one in aws("iam").list_roles()["Roles"] if one["RoleName"].startswith("cloudapp")]
    found += [
        one["logGroupName"]
        for region in ("eu-west-1", "us-east-1")
        for one in aws("logs", region).describe_log_groups()["logGroups"]
    ]
    found += [one["Id"] for one in aws("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]]
    found += [one["repositoryName"] for one in aws("ecr").describe_repositories()["repositories"]]
    found += [one["Name"] for one in aws("secretsmanager").list_secrets()["SecretList"]]
    found += [one["Id"] for one in aws("cloudfront").list_distributions()["DistributionList"].get("Items", [])]
    return found
