"""Wrong values are refused, with the value named."""

import unittest

import chart

GOOD = "production"
WRONG = [
    # What is changed, to what, and what Helm must say.
    ("aws", {}, "region is required"),
    ("aws.accountId", 123456789012, "aws.accountId: Invalid type"),
    ("aws.accountId", "12345", "aws.accountId: Does not match"),
    ("aws.region", "Frankfurt", "aws.region: Does not match"),
    ("images.registry", "https://registry.example.com/", "images.registry: Does not match"),
    ("images.registry", None, "registry is required"),
    ("images.tag", "latest", "images.tag"),
    ("images.digests.web", "sha256:" + "1" * 64, "Additional property web is not allowed"),
    ("images.digests.operate", "sha256:12", "images.digests.operate: Does not match"),
    ("token.issuer", "http://issuer.example.com", "token.issuer: Does not match"),
    ("token.jwksUrl", None, "jwksUrl is required"),
    ("database.host", "10.0.0.1", "database.host: Does not match"),
    ("database.port", "5432", "database.port: Invalid type"),
    ("database.name", "Cloud-App", "database.name: Does not match"),
    ("database.password", "hunter2", "Additional property password is not allowed"),
    ("database.adminSecretArn", "hunter2", "database.adminSecretArn: Does not match"),
    ("serviceAccounts.operate", None, "operate is required"),
    ("serviceAccounts.viewStats.roleArn", "view-stats", "serviceAccounts.viewStats.roleArn: Does not match"),
    ("ingress.scheme", "internet-facing", "ingress.scheme"),
    ("ingress.certificateArn", None, "certificateArn is required"),
    ("ingress.loadBalancerName", "x" * 33, "ingress.loadBalancerName: Does not match"),
    ("ingress.loadBalancerName", "internal-x", "ingress.loadBalancerName"),
    ("ingress.sslPolicy", "ELBSecurityPolicy-2016-08", "ingress.sslPolicy: Does not match"),
    ("ingress.subnets", ["subnet-1"], "ingress.subnets.0: Does not match"),
    ("podSecurityGroups", [f"sg-0123456789abcdef{n}" for n in range(6)], "podSecurityGroups: Array must have at most 5"),
    ("shutdown.gracePeriodSeconds", 30, "shutdown.gracePeriodSeconds: Must be greater"),
    ("shutdown.preStopSeconds", 50, "at least 30 more than shutdown.preStopSeconds"),
    ("logFormat", "xml", "logFormat"),
    ("telemetry.otlpEndpoint", "collector:4318", "telemetry.otlpEndpoint: Does not match"),
    ("serviceAccounts.telemetry", None, "serviceAccounts.telemetry.roleArn is required: the collector sends as that role"),
    ("serviceAccounts.telemetry.roleArn", "telemetry", "serviceAccounts.telemetry.roleArn: Does not match"),
    ("collector.enabled", "yes", "collector.enabled: Invalid type"),
    ("collector.image.tag", "latest", "collector.image.tag"),
    ("collector.image.tag", "", "collector.image.tag: Does not match"),
    ("collector.image.repository", "https://registry.example.com/collector", "collector.image.repository: Does not match"),
    ("collector.image.digest", "sha256:12", "collector.image.digest: Does not match"),
    ("collector.size", {"cpu": 0.25, "memoryGiB": 4}, "collector.size: Must validate one and only one"),
    ("collector.replicas", 2, "Additional property replicas is not allowed"),
    ("collector.intervalSeconds", 5, "collector.intervalSeconds: Must be greater"),
    ("collector.logGroupName", "a b", "collector.logGroupName: Does not match"),
    ("configureInstance.size", {"cpu": 0.25, "memoryGiB": 4}, "configureInstance.size: Must validate one and only one"),
    ("configureInstance.size", {"cpu": 0.3, "memoryGiB": 1}, "configureInstance.size: Must validate one and only one"),
    ("configureInstance.size", {"cpu": "250m", "memoryGiB": 0.5}, "configureInstance.size.cpu: Invalid type"),
    ("configureInstance.replicas.min", 0, "configureInstance.replicas.min: Must be greater"),
    ("configureInstance.replicas.max", 1, "configureInstance.replicas.max must not be below"),
    ("configureInstance.replica", 2, "Additional property replica is not allowed"),
    ("provisionInstance.installation", None, "installation is required"),
    ("provisionInstance.installation", "Staging", "provisionInstance.installation: Does not match"),
    ("provisionInstance.loginQueueUrl", None, "loginQueueUrl is required"),
    ("provisionInstance.bootReportUrl", "https://services.example.com/", "provisionInstance.bootReportUrl: Does not match"),
    ("provisionInstance.bootReportUrl", "http://services.example.com/api/boot-reports", "provisionInstance.bootReportUrl"),
    ("provisionInstance.adminTopicArn", "cloudapp-admin", "provisionInstance.adminTopicArn: Does not match"),
    ("provisionInstance.ec2RateFactor", 2, "provisionInstance.ec2RateFactor: Invalid type"),
    ("provisionInstance.inUse.loadPercent", 0, "provisionInstance.inUse.loadPercent: Must be greater"),
    ("provisionInstance.ec2RateFactor", "fast", "provisionInstance.ec2RateFactor: Does not match"),
    ("provisionInstance.allowCrashPoints", True, "Additional property allowCrashPoints is not allowed"),
    ("viewStats.athenaTable", "events; drop table x", "viewStats.athenaTable: Does not match"),
    ("migration.deadlineSeconds", 5, "migration.deadlineSeconds: Must be greater"),
    ("logs.groupName", "a b", "logs.groupName: Does not match"),
    ("sevices", {}, "Additional property sevices is not allowed"),
]


class Refusals(unittest.TestCase):
    def test_wrong_values_are_refused(self):
        good = chart.case(GOOD)
        for dotted, value, said in WRONG:
            with self.subTest(dotted, value=value):
                arguments = ("--kube-version", f"{chart.KUBERNETES[0]}.0")
                code, out, err = chart.helm(["template", "cloudapp"], chart.changed(good, dotted, value), *arguments)
                self.assertNotEqual(code, 0, out[:200])
                self.assertIn(said, err)

    def test_defaults_alone_name_what_is_missing(self):
        code, _, err = chart.helm(["template", "cloudapp"], {}, "--kube-version", f"{chart.KUBERNETES[0]}.0")
        self.assertNotEqual(code, 0)
        for said in ("region is required", "registry is required", "host is required", "loginQueueUrl is required"):
            self.assertIn(said, err)

    def test_another_namespace_is_refused(self):
        with self.assertRaisesRegex(AssertionError, 'install CloudApp into the namespace "cloudapp"'):
            chart.template(chart.case(GOOD), namespace="default")

    def test_an_old_kubernetes_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "incompatible with Kubernetes v1.29"):
            chart.template(chart.case(GOOD), kubernetes="1.29")


if __name__ == "__main__":
    unittest.main()
