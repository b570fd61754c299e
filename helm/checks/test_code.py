"""Chart and code agree, in both directions."""

import re
import unittest

import chart
import sources

SERVICES = chart.SERVICES
# Settings that production leaves alone, and why.
LEFT_ALONE = {
    "CLOUDAPP_ROLE": "every replica serves and works",
    "CLOUDAPP_LEASE_SECONDS": "proved with its default",
    "CLOUDAPP_GRACE_SECONDS": "proved with its default",
    "CLOUDAPP_ALLOW_CRASH_POINTS": "for tests",
    "CLOUDAPP_CRASH_AT": "for tests",
    "CLOUDAPP_METADATA_BASE": "EC2's own address",
    "CLOUDAPP_IDENTITY_CERTIFICATES": "local runs only: production trusts EC2's certificates",
}


def given(case, pod):
    """The variables that a pod gets."""
    [container] = chart.pods(case)[pod]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


class Environment(unittest.TestCase):
    def compare(self, pod, read):
        # The case that sets every optional value.
        given_all = set(given("large", pod))
        required = {name for name, must in read.items() if must}
        self.assertGreaterEqual(len(required), 1)
        for case in chart.CASES:
            self.assertEqual(required - set(given(case, pod)), set(), "the binary demands these, the chart does not set them")
        self.assertEqual(given_all - set(read) - sources.READ_BY_LIBRARIES, set(), "the chart sets these, nobody reads them")
        unset = set(read) - given_all - set(LEFT_ALONE)
        self.assertEqual(unset, set(), "the binary reads these: set them in the chart, or say in LEFT_ALONE why not")

    def test_services_get_what_they_read_and_nothing_else(self):
        for service in SERVICES:
            with self.subTest(service):
                self.compare(f"Deployment/{service}", sources.read_by(sources.folder(service)))

    def test_the_migration_too(self):
        read = sources.read_by(sources.folder("operate"))
        self.compare("Job/migrate", read)

    def test_what_is_left_alone_exists(self):
        everything = set().union(*(sources.read_by(sources.folder(service)) for service in SERVICES))
        self.assertEqual(set(LEFT_ALONE) - everything, set())

    def test_roles_of_the_database_are_those_of_the_schemas(self):
        text = (chart.REPOSITORY / "services/shared/schemas/src/lib.rs").read_text()
        schemas = re.search(r"pub const SCHEMAS: \[&str; 3\] = \[(.*)\]", text)[1]
        for service in ("configure-instance", "provision-instance"):
            role = re.match(r"postgres://(\w+)@", given("production", f"Deployment/{service}")["DATABASE_URL"])[1]
            self.assertIn(f'"{role}"', schemas)
            self.assertTrue(service.startswith(role))


class Routes(unittest.TestCase):
    def routed(self):
        [ingress] = chart.of_kind("production", "Ingress").values()
        [rule] = ingress["spec"]["rules"]
        routed = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
        # The collector's: see test_collector.py.
        self.assertEqual(routed.pop("/v1/traces"), "collector")
        return routed

    def test_every_route_of_a_service_leads_to_it(self):
        routed = self.routed()
        for service in SERVICES:
            for path in sources.paths(service):
                leads = {to for prefix, to in routed.items() if path == prefix or path.startswith(prefix + "/")}
                self.assertEqual(leads, {service}, f"{path}: see cloudapp.services in templates/_names.tpl")

    def test_every_route_of_the_ingress_exists(self):
        for prefix, service in self.routed().items():
            self.assertTrue(any(path == prefix or path.startswith(prefix + "/") for path in sources.paths(service)), prefix)

    def test_nobody_outside_sees_health_or_metrics(self):
        for prefix in self.routed():
            self.assertTrue(prefix.startswith("/api/"), prefix)

    def test_the_probes_exist(self):
        health = (chart.REPOSITORY / "services/shared/chassis/src/health.rs").read_text()
        for path in ("/healthz", "/readyz"):
            self.assertIn(f'"{path}"', health)

    def test_the_boot_report_is_routed(self):
        self.assertEqual(self.routed()["/api/boot-reports"], "provision-instance")

    def test_operate_has_the_commands_that_the_chart_runs(self):
        text = (chart.REPOSITORY / "services/operate/src/lib.rs").read_text()
        for pod in ("Job/migrate", "Pod/services-answer"):
            [container] = chart.pods("production")[pod]["spec"]["containers"]
            self.assertIn(f"    {container['args'][0].capitalize()}(", text)


class Ending(unittest.TestCase):
    def test_a_pod_is_given_the_time_that_its_binary_takes(self):
        requests = sources.seconds("services/shared/chassis/src/server.rs", r"shutdown\.cancelled\(\)\.await;\s+tokio::time::sleep\(Duration::from_secs\((\d+)\)")
        steps = sources.seconds("services/shared/workflow/src/worker.rs", r"grace: Duration::from_secs\((\d+)\)")
        for case in chart.CASES:
            for deployment in chart.services(case).values():
                spec = deployment["spec"]["template"]["spec"]
                pre_stop = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
                # What is left after both is for handing over.
                self.assertGreaterEqual(spec["terminationGracePeriodSeconds"] - pre_stop, requests + steps + 10)


if __name__ == "__main__":
    unittest.main()
