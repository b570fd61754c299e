"""Breaks the Terraform where security hangs on it, a line at a time, and has the tests notice each.

    python -m cloudapp_checks.mutations        (terraform/checks/test --mutations sets everything up)

An assertion that no mistake can make fail proves nothing. Each mutation is one mistake that somebody could make, and the
sentence of the assertion that must fail for it. Many are made at once in one copy, each for another sentence: then exactly
their sentences must be said, and no others."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import composition, session_key
from .copied import copied, initialised, replace_once, tested, without_ephemeral
from .verdict import verdict


@dataclass(frozen=True)
class Mutation:
    """One mistake: in the file of a module (or of the root, ""), a piece of text that is there once becomes another."""

    module: str
    right: str
    wrong: str
    noticed: str
    file: str = "main.tf"

    @property
    def path(self) -> Path:
        """Where the mistake is made."""
        return Path("modules", self.module, self.file) if self.module else Path(self.file)

    def __str__(self) -> str:
        return f"{self.module or 'root'}: {repr(self.wrong) if self.wrong else f'without {self.right!r}'}"


MODULES = [
    # Whoever may be a service account, and whoever may be given a role.
    Mutation("service-account", "${var.namespace}:${var.service_account}\"", "${var.namespace}:*\"",
             "one service account of one namespace"),
    Mutation("service-account", "\"sts.amazonaws.com\"", "\"*\"", "tokens are for STS only"),
    Mutation("service-account", "^[a-z][a-z0-9-]*$\", var.service_account", "^.*$\", var.service_account",
             "var.service_account", "variables.tf"),
    Mutation("service-account", "^[a-z][a-z0-9-]*$\", var.namespace", "^.*$\", var.namespace", "var.namespace", "variables.tf"),
    # What may be launched, by whom, and what may be done to it.
    Mutation("machines", "\"ec2:MetadataHttpTokens\" = \"required\"", "\"ec2:MetadataHttpTokens\" = \"optional\"",
             "only marked machines, with IMDSv2 and one hop"),
    Mutation("machines", "\"ec2:InstanceType\" = var.instance_types", "\"ec2:InstanceType\" = [\"*\"]",
             "only machines of allowed types"),
    Mutation("machines", "\"ec2:Encrypted\" = \"true\"", "\"ec2:Encrypted\" = \"false\"", "only encrypted disks"),
    Mutation("machines", "Resource = [for id in var.subnet_ids : \"${local.ec2}:subnet/${id}\"]",
             "Resource = [\"${local.ec2}:subnet/*\"]", "only in the machines' subnets"),
    Mutation("machines", "concat([aws_security_group.this.id], var.further_security_group_ids)",
             "concat([\"*\"], var.further_security_group_ids)", "only in the machines' group"),
    Mutation("machines", "\"ec2:Owner\" = concat(var.image_owners, [var.context.account_id])", "\"ec2:Owner\" = [\"*\"]",
             "only images of named owners and our own"),
    Mutation("machines", "Resource  = var.profile_role_arns", "Resource  = [\"*\"]", "only named roles are passed"),
    Mutation("machines", "managed = { StringEquals = { \"aws:ResourceTag/cloudapp:managed\" = var.context.name } }",
             "managed = { StringEquals = { \"aws:ResourceTag/cloudapp:managed\" = \"*\" } }",
             "only CloudApp's machines are stopped"),
    Mutation("machines", "{ \"ec2:CreateAction\" = \"RunInstances\" }", "{ \"ec2:CreateAction\" = \"*\" }",
             "marked at launch only; later nothing but the owner, on our own machines"),
    Mutation("machines", "\"ec2:DescribeInstances\", \"ec2:DescribeImages\"",
             "\"ec2:DescribeInstances\", \"ec2:StopInstances\"",
             "on everything it only looks"),
    Mutation("machines", "from_port         = 22", "from_port         = 0", "SSH only, from named addresses"),
    # Who may use a key.
    Mutation("keys", "enable_key_rotation     = true", "enable_key_rotation     = false", "every encryption key rotates"),
    Mutation("keys", "Action    = \"kms:Sign\"", "Action    = \"kms:Verify\"", "nobody but provision-instance signs"),
    Mutation("keys", "Condition = { StringEquals = { \"aws:SourceAccount\" = var.context.account_id } }\n  } }",
             "Condition = { StringEquals = { \"aws:SourceAccount\" = \"*\" } }\n  } }",
             "services use the key for this account only"),
    Mutation("keys", "\"ECC_NIST_P256\"", "\"ECC_NIST_P384\"", "the authority signs with P-256"),
    # Who may read what is kept.
    Mutation("bucket", "block_public_policy     = true", "block_public_policy     = false",
             "the bucket is closed in all four ways"),
    Mutation("bucket", "\"AES256\" : \"aws:kms\"", "\"AES256\" : \"AES256\"", "the bucket is encrypted with our key"),
    Mutation("bucket", "Effect    = \"Deny\"", "Effect    = \"Allow\"", "plain HTTP is refused"),
    Mutation("bucket", "status = \"Enabled\"\n  }\n}", "status = \"Suspended\"\n  }\n}",
             "what is deleted can be brought back"),
    # Who may send and read messages.
    Mutation("queue", "\"aws:SecureTransport\" = \"false\"", "\"aws:SecureTransport\" = \"true\"",
             "both queues refuse plain HTTP"),
    Mutation("queue", "{ \"aws:SourceArn\" = source.source_arn }", "{ \"aws:SourceArn\" = \"*\" }",
             "EventBridge sends for one rule only"),
    Mutation("queue", "retention_seconds\n  kms_master_key_id                 = var.key_arn\n  kms_data_key_reuse_period_seconds = 300\n}\n\nresource \"aws_sqs_queue\" \"this\"",
             "retention_seconds\n  kms_data_key_reuse_period_seconds = 300\n}\n\nresource \"aws_sqs_queue\" \"this\"",
             "both queues are encrypted"),
    Mutation("queue", "maxReceiveCount = var.max_receive_count", "maxReceiveCount = 1000",
             "what fails five times goes to the dead-letter queue"),
    # What a Lambda's own code may do.
    Mutation("function", "Effect    = \"Deny\"", "Effect    = \"Allow\"", "interfaces are for Lambda, not for the code"),
    Mutation("function", "kms_key_id        = var.logs_key_arn", "kms_key_id        = null",
             "a log group of its own, kept and encrypted"),
    # Who signs in, and who is let through.
    Mutation("identity", "allow_admin_create_user_only = true", "allow_admin_create_user_only = false",
             "nobody signs up by themselves; passwords are long"),
    Mutation("identity", "lambda_version = \"V2_0\"", "lambda_version = \"V1_0\"",
             "the admins' group can be withheld from access tokens"),
    Mutation("identity", "access_token_validity         = 5", "access_token_validity         = 60",
             "access tokens live five minutes"),
    Mutation("gateway", "authorization_type = \"JWT\"", "authorization_type = \"NONE\"",
             "every route wants a token for our client"),
    Mutation("gateway", "execution_arn}/*/${join", "execution_arn}/*/*${join", "the API calls the function for one route only"),
    Mutation("load-balancer-controller", "\"aws-load-balancer-controller\"", "\"controller\"",
             "the role is named as its service account"),
    # The database and what is published.
    Mutation("database", "iam_database_authentication_enabled = true", "iam_database_authentication_enabled = false",
             "IAM sign-in, protected, with a last snapshot"),
    Mutation("database", "name  = \"rds.force_ssl\"\n    value = \"1\"",
             "name  = \"rds.force_ssl\"\n    value = \"0\"",
             "TLS is enforced"),
    Mutation("database", "publicly_accessible             = false", "publicly_accessible             = true",
             "two serverless instances, none public"),
    Mutation("database", "from_port                    = 5432", "from_port                    = 0",
             "PostgreSQL from the services' group only"),
    Mutation("messaging", "each.key != \"admin\" ? []", "each.key == \"\" ? []", "alarms are for the admins only"),
    Mutation("registry", "\"IMMUTABLE\"", "\"MUTABLE\"", "tags keep their meaning, images are encrypted and kept"),
    # The network and its edge.
    Mutation("network", "map_public_ip_on_launch = var.machine_access == \"public\"", "map_public_ip_on_launch = true",
             "private machines get no public address"),
    Mutation("network", "cidrsubnet(var.cidr, 3, 4 + i)", "cidrsubnet(var.cidr, 8, 16 + i)", "subnets do not share addresses"),
    Mutation("network", "length(var.zones) == 3 && length(distinct(var.zones)) == 3", "length(var.zones) > 0",
             "var.zones", "variables.tf"),
    Mutation("cluster", "endpoint_public_access  = length(var.api_cidrs) > 0", "endpoint_public_access  = true",
             "the Kubernetes API is private unless addresses are named"),
    Mutation("cluster", "bootstrap_cluster_creator_admin_permissions = false",
             "bootstrap_cluster_creator_admin_permissions = true",
             "secrets are encrypted; nobody is administrator by chance"),
    Mutation("cluster", "fargateprofile/${local.cluster}/*", "fargateprofile/*",
             "Fargate assumes the role for this cluster only"),
    Mutation("web", "\"ELBSecurityPolicy-TLS13-1-2-2021-06\"", "\"ELBSecurityPolicy-2016-08\"",
             "TLS 1.2 and 1.3 only", "balancer.tf"),
    Mutation("web", "prefix_list_id    = data.aws_ec2_managed_prefix_list.cloudfront.id", "cidr_ipv4         = \"0.0.0.0/0\"",
             "only CloudFront reaches the load balancer", "balancer.tf"),
    Mutation("web", "[\"/metrics\", ", "[", "metrics are not for the public", "balancer.tf"),
    Mutation("web", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false",
             "the program is nobody, cannot write its files, and gets its key as a secret"),
    Mutation("web", "assign_public_ip = false", "assign_public_ip = true", "private tasks; a bad version is rolled back"),
    Mutation("cdn", "minimum_protocol_version = \"TLSv1.2_2021\"", "minimum_protocol_version = \"TLSv1\"",
             "behind the firewall, current TLS"),
    Mutation("cdn", "target_origin_id           = \"assets-or-web\"", "target_origin_id           = \"assets\"",
             "files come from the bucket, or from web while a version is rolled out"),
    Mutation("firewall", "name     = \"machines-report-only\"\n      priority = 1",
             "name     = \"machines-report-only\"\n      priority = 7",
             "machines are bounded before anything else"),
    Mutation("firewall", "[\"authorization\", \"cookie\"]", "[\"authorization\"]", "tokens and cookies are not logged"),
    Mutation("internal-endpoint", "count = var.balancer_exists ? 1 : 0\n\n  zone_id", "count = 0\n\n  zone_id",
             "the services' name leads to the load balancer"),
    Mutation("audit", "enable_log_file_validation    = true", "enable_log_file_validation    = false",
             "all regions, signed, encrypted"),
    # A certificate that is issued, and renewed without anybody.
    Mutation("certificate", "validation_method         = \"DNS\"", "validation_method         = \"EMAIL\"",
             "names are proven by DNS, so that ACM renews the certificate by itself"),
    Mutation("certificate", "slice(var.names, 1, length(var.names))", "[]", "the certificate is for every name"),
    Mutation("certificate", "toset(var.names)", "toset([var.names[0]])", "every name has its own proof in the public zone"),
    Mutation("certificate", "allow_overwrite = true", "allow_overwrite = false",
             "a certificate of another region may have the same proof"),
    # What EC2 tells of machines: all that matters, from nobody else, and as far as the queue.
    Mutation("instance-events", "\"EC2 Spot Instance Interruption Warning\"", "\"EC2 Instance Rebalance Recommendation\"",
             "changes of state and spot warnings are heard"),
    Mutation("instance-events", "source = [\"aws.ec2\"], ", "", "nobody but EC2 is believed"),
    Mutation("instance-events", "\"${var.context.name}-${each.key}\"", "\"${var.context.name}-ec2-${each.key}\"",
             "the rules are named as the queue's policy lets them send"),
    Mutation("instance-events", "aws_cloudwatch_event_rule.this[each.key].name",
             "aws_cloudwatch_event_rule.this[\"state-change\"].name", "each rule has a target of its own"),
    # Alarms that fire when they should: on a metric that is there, also when it no longer is.
    Mutation("alarms", "{ (alarm.cloudwatch.dimension) = value }", "{ (alarm.cloudwatch.dimension) = resource }",
             "one alarm for each queue"),
    Mutation("alarms", "{ ApiId = var.api_id }", "{ ApiName = var.api_id }",
             "AWS's own metrics are asked for by the names that AWS publishes them under"),
    Mutation("alarms", "periods = 2, missing = \"breaching\"", "periods = 2, missing = \"notBreaching\"",
             "silence is bad news of web and of the database"),
    Mutation("alarms", "namespace = \"CloudApp\"", "namespace = var.context.name",
             "log lines become the very metric that the alarm watches"),
    # What a month may cost, and who hears of it while something can still be done.
    Mutation("budget", "time_unit    = \"MONTHLY\"", "time_unit    = \"ANNUALLY\"", "the limit is of dollars in a month"),
    Mutation("budget", "type = \"FORECASTED\"", "type = \"ACTUAL\"",
             "it is said while the money is spent, and when AWS foresees that it will be"),
    Mutation("budget", "\"PERCENTAGE\"", "\"ABSOLUTE_VALUE\"", "shares of the limit are counted, not dollars"),
    Mutation("budget", "subscriber_sns_topic_arns = [var.topic_arn]", "subscriber_sns_topic_arns = []",
             "the admins hear of all of it"),
    # What a question may read, and who may read its answer.
    Mutation("statistics", "2024-01-01,NOW+1DAY", "2024-01-01,2030-01-01", "there is a partition for every day"),
    Mutation("statistics", "bytes_scanned_cutoff_per_query     = var.bytes_scanned_cutoff\n", "", "queries are bounded"),
    Mutation("statistics", "enforce_workgroup_configuration    = true", "enforce_workgroup_configuration    = false",
             "no query brings settings of its own instead of the workgroup's"),
    Mutation("statistics", "encryption_option = \"SSE_KMS\"\n        kms_key_arn       = var.key_arn",
             "encryption_option = \"SSE_S3\"", "results are encrypted with our key"),
]

# Who is told what, may do what, lies where: noticed by what `composition.py` says of both examples.
COMPOSITION = [
    Mutation("", "module.buckets[\"first-seen\"].name", "module.buckets[\"events\"].name",
             "auth: CLOUDAPP_FIRST_SEEN_BUCKET", "functions.tf"),
    Mutation("", "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL = module.messaging.queue_urls.instance_events",
             "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL = module.messaging.queue_urls.login",
             "stop-ec2: CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL", "functions.tf"),
    Mutation("", "statements = [local.sign_in_as.login]", "statements = [local.sign_in_as.provision]",
             "rds-db:connect on", "functions.tf"),
    Mutation("", "CLOUDAPP_CLIENT_ID = module.identity.client_id", "CLOUDAPP_CLIENT_ID = module.identity.user_pool_id",
             "CLOUDAPP_CLIENT_ID", "environment.tf"),
    Mutation("", "loginQueueUrl          = module.messaging.queue_urls.login",
             "loginQueueUrl          = module.messaging.queue_urls.mail", "provision-instance: loginQueueUrl", "outputs.tf"),
    Mutation("", "[\"state-change\", \"spot-interruption\"]", "[\"state-change\"]", "EC2's events are sent by "),
    Mutation("", "subnet_ids = module.network.database_subnet_ids", "subnet_ids = module.network.machine_subnet_ids",
             "subnets: database"),
    Mutation("", "stop-ec2     = module.function_stop_ec2.security_group_id", "stop-ec2     = module.web.security_group_id",
             "guards: the database's clients"),
    Mutation("", "module.firewall_edge.arn", "module.firewall_web.arn", "guards: CloudFront's firewall"),
    Mutation("", "key_arn               = module.keys.arns.database", "key_arn               = module.keys.arns.data",
             "guards: the database's key"),
    Mutation("", "deletion_protection   = var.protected", "deletion_protection   = false", "protection: the database"),
    Mutation("", "database       = replace(var.name, \"-\", \"_\")", "database       = \"cloudapp\"", "another name: "),
    Mutation("", "nat   = \"single\"", "nat   = \"per_zone\"", "minimal: sizes: NAT gateways", "examples/minimal/main.tf"),
    Mutation("", "contains([30, 60, ", "contains([7, 30, 60, ", "var.log_retention_days", "variables.tf"),
]

# The two together are one mistake: a password that is read like any other data is kept in the state.
SESSION_KEY = [
    # One mistake in two places.
    Mutation("session-key", "ephemeral \"aws_", "data \"aws_", "a password is in "),
    Mutation("session-key", "ephemeral.aws_", "data.aws_", "a password is in "),
]


def rounds(mutations: list[Mutation]) -> list[list[Mutation]]:
    """Assertions first, then what variables are to refuse: Terraform skips the rest of a file after a variable that did
    not."""
    refusals = [mutation for mutation in mutations if mutation.noticed.startswith("var.")]
    return [[mutation for mutation in mutations if mutation not in refusals], refusals]


def judge(copy: Path, mutations: list[Mutation], say: Callable[[], list[str]]) -> list[str]:
    """Makes the mistakes, hears what is said, and takes them back: which were not noticed, and what nobody expected."""
    before = {mutation.path: (copy / mutation.path).read_bytes() for mutation in mutations}
    for mutation in mutations:
        replace_once(copy / mutation.path, mutation.right, mutation.wrong)
    try:
        found = say()
    finally:
        for path, text in before.items():
            (copy / path).write_bytes(text)
    wrong = []
    for mutation in mutations:
        noticed = any(mutation.noticed in text for text in found)
        print(f"{'noticed  ' if noticed else 'UNNOTICED'} {mutation}", flush=True)
        if not noticed:
            wrong.append(f"nothing notices {mutation}")
    for text in found:
        sentences = {mutation.noticed for mutation in mutations if mutation.noticed in text}
        if not sentences:
            wrong.append(f"unexpected: {text}")
        # Else one mistake could go unnoticed behind the other.
        elif len(sentences) > 1:
            wrong.append(f"{' and '.join(sorted(sentences))} are both in: {text}")
    return wrong


def about(copy: Path, mutations: list[Mutation]) -> list[str]:
    """The files with tests of the mutated modules."""
    files = sorted(path.relative_to(copy) for path in (copy / "tests").glob("*.tftest.hcl"))
    wanted = {f'"./modules/{mutation.module}"' for mutation in mutations}
    return [f"-filter={file}" for file in files if any(one in (copy / file).read_text(encoding="utf-8") for one in wanted)]


def unnoticed() -> list[str]:
    """What nothing notices, and what nobody expected. That the tests pass without mistakes is the rest of checks/test."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        initialised(copy, "tests")
        for mutations in rounds(MODULES):
            tests = about(copy, mutations)
            wrong += judge(copy, mutations, lambda tests=tests: tested(copy, *tests)[0])
        wrong += judge(copy, SESSION_KEY, lambda: session_key.found(copy / "modules" / "session-key"))
        without_ephemeral(copy)
        initialised(copy, composition.TESTS)
        # The refusals come last in their file.
        wrong += judge(copy, COMPOSITION, lambda: composition.found(copy))
    return wrong


if __name__ == "__main__":
    made = len(MODULES) + len(SESSION_KEY) + len(COMPOSITION)
    verdict(unnoticed, f"all {made} mistakes are noticed, each by the assertion that is about it")
