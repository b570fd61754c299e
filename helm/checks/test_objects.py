"""What must hold for every rendered object: hardening, Fargate's limits, and that the objects fit together."""

import unittest

import chart

# vCPU: GiB that Fargate sells with it. The pod asks for 256 MiB less.
FARGATE = {0.25: (0.5, 1, 2), 0.5: (1, 2, 3, 4), 1: range(2, 9), 2: range(4, 17), 4: range(8, 31)}
SERVICES = chart.SERVICES


def labels_match(selector, labels):
    return selector and all(labels.get(key) == value for key, value in selector.items())


class Pods(unittest.TestCase):
    def each(self):
        for name in chart.CASES:
            for pod, template in chart.pods(name).items():
                with self.subTest(name, pod=pod):
                    yield name, pod, template

    def test_no_pod_may_more_than_it_must(self):
        for _, pod, template in self.each():
            spec = template["spec"]
            for forbidden in ("hostNetwork", "hostPID", "hostIPC", "hostAliases", "initContainers", "nodeSelector"):
                self.assertNotIn(forbidden, spec)
            # The collector's settings are a file; nothing else needs one.
            files = [{"name": "config", "configMap": {"name": "collector"}}] if pod == "Deployment/collector" else None
            self.assertEqual(spec.get("volumes"), files)
            self.assertTrue(all(mount["readOnly"] for mount in spec["containers"][0].get("volumeMounts", ())))
            self.assertIs(spec["automountServiceAccountToken"], False)
            self.assertIs(spec["enableServiceLinks"], False)
            security = spec["securityContext"]
            self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertIs(security["runAsNonRoot"], True)
            self.assertEqual((security["runAsUser"], security["runAsGroup"], security["fsGroup"]), (65532, 65532, 65532))
            [container] = spec["containers"]
            self.assertEqual(container["securityContext"], {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})

    def test_every_pod_is_of_a_size_that_fargate_sells(self):
        for _, _, template in self.each():
            resources = template["spec"]["containers"][0]["resources"]
            self.assertEqual(resources["requests"], resources["limits"])
            cpu, memory = resources["requests"]["cpu"], resources["requests"]["memory"]
            self.assertRegex(cpu + memory, r"^\d+m\d+Mi$")
            self.assertIn((int(memory[:-2]) + 256) / 1024, FARGATE[int(cpu[:-1]) / 1000])

    def test_images_are_ours_and_pinned(self):
        for name, pod, template in self.each():
            image = template["spec"]["containers"][0]["image"]
            if pod != "Deployment/collector":
                self.assertTrue(image.startswith(chart.case(name)["images"]["registry"] + "/"), image)
            self.assertRegex(image, r"(@sha256:[0-9a-f]{64}|:[^:@/]+)$")
            self.assertFalse(image.endswith(":latest"))

    def test_no_variable_is_set_twice_or_holds_a_secret(self):
        for _, _, template in self.each():
            variables = template["spec"]["containers"][0]["env"]
            names = [variable["name"] for variable in variables]
            self.assertEqual(len(names), len(set(names)), names)
            for variable in variables:
                self.assertEqual(set(variable), {"name", "value"})
                self.assertIsInstance(variable["value"], str)
                self.assertNotRegex(variable["value"], r"://[^/@]*:[^/@]*@", "a URL with a password")

    def test_services_are_asked_whether_they_live_and_whether_they_can_serve(self):
        for name in chart.CASES:
            for deployment in chart.services(name).values():
                [container] = deployment["spec"]["template"]["spec"]["containers"]
                ports = {port["name"]: port["containerPort"] for port in container["ports"]}
                paths = {}
                for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                    paths[kind] = container[kind]["httpGet"]["path"]
                    self.assertIn(container[kind]["httpGet"]["port"], ports)
                # A database that is gone must not restart anything.
                self.assertEqual(paths, {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"})

    def test_a_pod_has_time_to_leave(self):
        for name in chart.CASES:
            [ingress] = chart.of_kind(name, "Ingress").values()
            attributes = ingress["metadata"]["annotations"]["alb.ingress.kubernetes.io/target-group-attributes"]
            for deployment in chart.services(name).values():
                spec = deployment["spec"]["template"]["spec"]
                pre_stop = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
                self.assertIn(f"deregistration_delay.timeout_seconds={pre_stop},", attributes)
                self.assertGreaterEqual(spec["terminationGracePeriodSeconds"], pre_stop + 30)
                self.assertEqual(deployment["spec"]["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})


class Together(unittest.TestCase):
    def test_only_what_fargate_can_run_and_the_chart_needs(self):
        kinds = {"ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "Namespace", "Pod",
                 "PodDisruptionBudget", "SecurityGroupPolicy", "Service", "ServiceAccount"}
        for name in chart.CASES:
            self.assertLessEqual({document["kind"] for document in chart.objects(name)}, kinds)

    def test_everything_is_in_the_namespace(self):
        for name in chart.CASES:
            for document in chart.objects(name):
                wanted = {"Namespace": None}.get(document["kind"], "cloudapp")
                if document["metadata"]["name"] == "aws-logging":
                    wanted = "aws-observability"
                self.assertEqual(document["metadata"].get("namespace"), wanted, document["metadata"]["name"])

    def test_selectors_find_the_pods_of_their_deployment_and_no_others(self):
        for name in chart.CASES:
            templates = chart.pods(name)
            for kind in ("Deployment", "Service", "PodDisruptionBudget"):
                for owner, document in chart.of_kind(name, kind).items():
                    selector = document["spec"]["selector"]
                    selector = selector.get("matchLabels", selector)
                    found = [pod for pod, template in templates.items()
                             if labels_match(selector, template["metadata"]["labels"])]
                    self.assertEqual(found, [f"Deployment/{owner.removesuffix('-pods')}"])

    def test_the_ingress_leads_to_the_services_ports(self):
        for name in chart.CASES:
            [ingress] = chart.of_kind(name, "Ingress").values()
            annotations = ingress["metadata"]["annotations"]
            prefix = "alb.ingress.kubernetes.io/"
            self.assertEqual(annotations[f"{prefix}target-type"], "ip")
            self.assertEqual(annotations[f"{prefix}scheme"], "internal")
            self.assertEqual(annotations[f"{prefix}group.name"], "cloudapp")
            self.assertTrue(all(isinstance(value, str) for value in annotations.values()))
            [rule] = ingress["spec"]["rules"]
            paths = [path["path"] for path in rule["http"]["paths"]]
            self.assertEqual(len(paths), len(set(paths)))
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = chart.of_kind(name, "Service")[backend["name"]]
                [port] = [port for port in service["spec"]["ports"] if port["name"] == backend["port"]["name"]]
                [container] = chart.of_kind(name, "Deployment")[backend["name"]]["spec"]["template"]["spec"]["containers"]
                self.assertIn(port["targetPort"], [port["name"] for port in container["ports"]])

    def test_every_pod_has_its_account_and_the_migration_has_it_in_time(self):
        for name in chart.CASES:
            accounts = chart.of_kind(name, "ServiceAccount")
            deployments = chart.of_kind(name, "Deployment")
            of = {service: service for service in SERVICES}
            if chart.collects(name):
                of["collector"] = "telemetry"
            self.assertEqual(set(accounts), {*of.values(), "operate"})
            self.assertEqual(set(deployments), set(of))
            for deployment, account in of.items():
                self.assertEqual(deployments[deployment]["spec"]["template"]["spec"]["serviceAccountName"], account)
            job = chart.of_kind(name, "Job")["migrate"]
            self.assertEqual(job["spec"]["template"]["spec"]["serviceAccountName"], "operate")
            before = [accounts["operate"], *chart.of_kind(name, "SecurityGroupPolicy").values()]
            for document in before:
                annotations = document["metadata"]["annotations"]
                self.assertEqual(annotations["helm.sh/hook"], "pre-install,pre-upgrade")
                self.assertLess(int(annotations["helm.sh/hook-weight"]), int(job["metadata"]["annotations"]["helm.sh/hook-weight"]))

    def test_replicas_are_either_fixed_or_scaled(self):
        for name in chart.CASES:
            scaled = chart.of_kind(name, "HorizontalPodAutoscaler")
            guarded = chart.of_kind(name, "PodDisruptionBudget")
            for service, deployment in chart.of_kind(name, "Deployment").items():
                fixed = deployment["spec"].get("replicas")
                self.assertNotEqual(fixed is None, service not in scaled)
                least = scaled[service]["spec"]["minReplicas"] if fixed is None else fixed
                self.assertEqual(least > 1, service in guarded)

    def test_the_log_router_is_configured_within_its_limits(self):
        self.assertNotIn("aws-observability", chart.of_kind("minimal", "Namespace"))
        namespace = chart.of_kind("production", "Namespace")["aws-observability"]
        self.assertEqual(namespace["metadata"]["labels"], {"aws-observability": "enabled"})
        data = chart.of_kind("production", "ConfigMap")["aws-logging"]["data"]
        self.assertLess(sum(map(len, data.values())), 5300)
        self.assertEqual(set(data), {"output.conf", "filters.conf", "parsers.conf"})
        self.assertNotIn("[SERVICE]", "".join(data.values()))

    def test_helm_test_asks_every_service(self):
        for name in chart.CASES:
            [pod] = chart.of_kind(name, "Pod").values()
            self.assertEqual(pod["metadata"]["annotations"]["helm.sh/hook"], "test")
            [container] = pod["spec"]["containers"]
            self.assertEqual(container["args"][0], "probe")
            collector = ["http://collector:13133/", "--within-seconds=180"] if chart.collects(name) else []
            asked = [f"http://{service}/readyz" for service in SERVICES]
            self.assertEqual(sorted(container["args"][1:]), sorted(asked + collector))


if __name__ == "__main__":
    unittest.main()
