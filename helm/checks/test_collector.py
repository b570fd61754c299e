"""The collector: its settings fit together, let through what the alarms look at and nothing else, and agree with Terraform
and with the code. No collector could be run here; what its scraping lets through, a Prometheus shows, if there is one."""

import contextlib
import http.server
import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import urllib.request

import chart
import terraform
import yaml

CASES = tuple(name for name in chart.CASES if chart.collects(name))
# Measured by web alone, which nobody scrapes: CloudWatch has them of its log lines.
OF_WEB = {"cloudapp_sign_ins_total"}
SUFFIXES = ("_bucket", "_sum", "_count")
ALARMS = json.loads((chart.REPOSITORY / "observability/alarms.json").read_text())


def config(case):
    """The collector's settings."""
    return yaml.safe_load(chart.of_kind(case, "ConfigMap")["collector"]["data"]["config.yaml"])


def scraping(case):
    """How it scrapes."""
    [job] = config(case)["receivers"]["prometheus"]["config"]["scrape_configs"]
    return job


def let_through(case):
    """What CloudWatch gets: the metrics, and by what they are told apart there."""
    found = {}
    for declaration in config(case)["exporters"]["awsemf"]["metric_declarations"]:
        [dimensions] = declaration["dimensions"]
        for selector in declaration["metric_name_selectors"]:
            # One name each, whole.
            name = re.fullmatch(r"\^([a-z0-9_]+)\$", selector)[1]
            assert name not in found, name
            found[name] = dimensions
    return found


def documented():
    """docs/metrics.md: of every metric its type and its labels."""
    rows = re.findall(r"(?m)^\| `(\w+)` \| (\w+) \| ([^|]*)\|", (chart.REPOSITORY / "docs/metrics.md").read_text())
    return {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}


def watched():
    """What the alarms for Prometheus look at: the metrics, and the labels that each is asked by."""
    found = {}
    for alarm in ALARMS["alarms"].values():
        if alarm["prometheus"] is None:
            continue
        expression = alarm["prometheus"]["expr"]
        by = {label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(", ")}
        for series, matchers in re.findall(r"\b(cloudapp_\w+)(?:\{([^}]*)\})?", expression):
            name = series
            for suffix in SUFFIXES:
                name = name if name in documented() else series.removesuffix(suffix)
            found.setdefault(name, set()).update(by | set(re.findall(r"(\w+)[=!]", re.sub(r'"[^"]*"', "", matchers))))
    return {name: labels - {"le"} for name, labels in found.items()}


class Settings(unittest.TestCase):
    def test_what_is_named_is_there_and_what_is_there_is_used(self):
        for case in CASES:
            settings = config(case)
            service = settings["service"]
            used = {"extensions": set(service["extensions"]), "receivers": set(), "processors": set(), "exporters": set()}
            for pipeline in service["pipelines"].values():
                for kind in ("receivers", "processors", "exporters"):
                    used[kind] |= set(pipeline[kind])
            self.assertEqual({kind: set(settings[kind]) for kind in used}, used)
            self.assertEqual(set(settings), {*used, "service"})

    def test_nothing_is_expanded_and_nothing_said_twice(self):
        class Once(yaml.SafeLoader):
            pass

        def mapping(loader, node):
            keys = [loader.construct_object(key) for key, _ in node.value]
            self.assertEqual(len(keys), len(set(keys)), keys)
            return loader.construct_mapping(node, deep=True)

        Once.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
        for case in CASES:
            text = chart.of_kind(case, "ConfigMap")["collector"]["data"]["config.yaml"]
            yaml.load(text, Once)
            self.assertNotRegex(text, r"\$[^\n]", "the collector would expand it")

    def test_memory_is_bounded_first_and_batches_are_made_last(self):
        for case in CASES:
            settings = config(case)
            for pipeline in settings["service"]["pipelines"].values():
                self.assertEqual((pipeline["processors"][0], pipeline["processors"][-1]), ("memory_limiter", "batch"))
            limiter, batch = settings["processors"]["memory_limiter"], settings["processors"]["batch"]
            [container] = chart.pods(case)["Deployment/collector"]["spec"]["containers"]
            memory = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
            soft = int({one["name"]: one["value"] for one in container["env"]}["GOMEMLIMIT"].removesuffix("MiB"))
            self.assertLess(limiter["limit_mib"] - limiter["spike_limit_mib"], soft)
            self.assertLess(soft, limiter["limit_mib"])
            self.assertLess(limiter["limit_mib"], memory)
            self.assertLessEqual(batch["send_batch_size"], batch["send_batch_max_size"])
            for exporter in settings["exporters"].values():
                self.assertLessEqual(exporter["request_timeout_seconds"] * (exporter["max_retries"] + 1), 60)

    def test_it_starts_anew_with_new_settings(self):
        annotations = [chart.pods(case)["Deployment/collector"]["metadata"]["annotations"] for case in CASES]
        self.assertEqual(len({annotation["checksum/config"] for annotation in annotations}), len(CASES))


class Pod(unittest.TestCase):
    def test_there_is_one_at_most_and_no_release_waits_for_it(self):
        for case in CASES:
            spec = chart.of_kind(case, "Deployment")["collector"]["spec"]
            self.assertEqual(spec["replicas"], 1)
            self.assertEqual(spec["strategy"]["rollingUpdate"], {"maxSurge": 0, "maxUnavailable": 1})

    def test_it_reads_the_file_that_it_is_given(self):
        for case in CASES:
            [container] = chart.pods(case)["Deployment/collector"]["spec"]["containers"]
            [mount] = container["volumeMounts"]
            [file] = chart.of_kind(case, "ConfigMap")["collector"]["data"]
            self.assertEqual(container["args"], [f"--config={mount['mountPath']}/{file}"])

    def test_kubernetes_asks_where_it_answers(self):
        for case in CASES:
            [container] = chart.pods(case)["Deployment/collector"]["spec"]["containers"]
            ports = {port["name"]: port["containerPort"] for port in container["ports"]}
            settings = config(case)
            self.assertEqual(settings["extensions"]["health_check"]["endpoint"], f"0.0.0.0:{ports['health']}")
            self.assertEqual(settings["receivers"]["otlp"]["protocols"], {"http": {"endpoint": f"0.0.0.0:{ports['otlp']}"}})
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                self.assertEqual(container[kind]["httpGet"], {"path": "/", "port": "health"})

    def test_its_image_is_the_pinned_one_or_the_operators(self):
        images = {case: chart.pods(case)["Deployment/collector"]["spec"]["containers"][0]["image"] for case in CASES}
        self.assertRegex(images["production"], r"^public\.ecr\.aws/aws-observability/aws-otel-collector:v\d+\.\d+\.\d+$")
        self.assertEqual(images["large"], "registry.example.com/mirror/aws-otel-collector@sha256:" + "5" * 64)

    def test_off_it_leaves_nothing(self):
        for case in set(chart.CASES) - set(CASES):
            text = chart.template(chart.case(case))
            for trace in ("collector", "OTEL_EXPORTER_OTLP_ENDPOINT", "telemetry", "-pods", "/v1/traces"):
                self.assertNotIn(trace, text)


class Traces(unittest.TestCase):
    def endpoints(self, case):
        for pod, template in chart.pods(case).items():
            if pod != "Deployment/collector":
                [container] = template["spec"]["containers"]
                yield {one["name"]: one["value"] for one in container["env"]}.get("OTEL_EXPORTER_OTLP_ENDPOINT")

    def test_pods_send_them_to_the_collector_unless_told_otherwise(self):
        [port] = [port for port in chart.of_kind("production", "Service")["collector"]["spec"]["ports"] if port["name"] == "otlp"]
        self.assertEqual(set(self.endpoints("production")), {f"http://collector:{port['port']}"})
        self.assertEqual(set(self.endpoints("large")), {chart.case("large")["telemetry"]["otlpEndpoint"]})
        self.assertEqual(set(self.endpoints("minimal")), {None})

    def test_web_sends_them_through_the_load_balancer(self):
        # What web is told by Terraform, and the path that OTLP adds to it.
        told = re.search(r"var\.collector \? \{ OTEL_EXPORTER_OTLP_ENDPOINT = (\S+) \} : \{\}", terraform.text("environment.tf"))[1]
        self.assertEqual(told, "local.services_url")
        spans = (chart.REPOSITORY / "services/shared/chassis/src/telemetry/spans.rs").read_text()
        path = re.search(r'format!\("\{\}(/[\w/]+)", collector', spans)[1]
        for case in CASES:
            [ingress] = chart.of_kind(case, "Ingress").values()
            [rule] = ingress["spec"]["rules"]
            [backend] = [one["backend"] for one in rule["http"]["paths"] if one["path"] == path and one["pathType"] == "Exact"]
            self.assertEqual(backend["service"], {"name": "collector", "port": {"name": "otlp"}})
            service = chart.of_kind(case, "Service")["collector"]
            self.assertEqual(service["metadata"]["annotations"]["alb.ingress.kubernetes.io/healthcheck-path"], path)
            self.assertIs(service["spec"]["publishNotReadyAddresses"], True)

    def test_machines_do_not_reach_it(self):
        # The web ACL lets machines reach two paths, whatever the load balancer leads to.
        self.assertIn('"^/api/(boot|idle)-reports$"', terraform.text("modules/firewall/main.tf"))

    def test_traces_are_found_by_what_spans_say(self):
        said = set()
        for folder in ("services", "lambdas", "web"):
            for path in (chart.REPOSITORY / folder).rglob("*.rs"):
                for span in re.findall(r"info_span!\((.*?)\)", path.read_text(), re.DOTALL):
                    said |= set(re.findall(r"(?<![\w.])(\w+) = ", span))
        for case in CASES:
            self.assertLessEqual(set(config(case)["exporters"]["awsxray"]["indexed_attributes"]), said)


class Metrics(unittest.TestCase):
    def test_what_the_alarms_look_at_is_let_through_and_nothing_else(self):
        self.assertGreater(len(watched()), 10)
        for case in CASES:
            self.assertEqual(set(let_through(case)), set(watched()) - OF_WEB)

    def test_it_is_told_apart_by_what_the_alarms_ask_by(self):
        for case in CASES:
            for name, dimensions in let_through(case).items():
                self.assertEqual(dimensions[0], "service")
                # What is left out by route is not scraped.
                self.assertEqual(watched()[name] - {"route"} - set(dimensions), set(), name)
                self.assertLessEqual(set(dimensions[1:]), set(documented()[name][1]), name)

    def test_no_metric_that_cloudwatch_makes_of_logs_is_counted_twice(self):
        for case in CASES:
            exporter = config(case)["exporters"]["awsemf"]
            for name, alarm in ALARMS["alarms"].items():
                cloudwatch = alarm["cloudwatch"]
                if cloudwatch["namespace"] != exporter["namespace"]:
                    continue
                self.assertNotIn(cloudwatch["metric"], let_through(case))
                # So the alarm goes on while there is no collector.
                if cloudwatch["dimension"] is None:
                    self.assertIn(cloudwatch["metric"], ALARMS["log_metrics"], name)
                else:
                    lines = [path.read_text() for path in (chart.REPOSITORY / "lambdas").rglob("*.rs")]
                    self.assertTrue(any(f'"{cloudwatch["metric"]}"' in text for text in lines), name)

    def test_only_names_are_scraped_and_no_pattern(self):
        for case in CASES:
            keep, drop = scraping(case)["metric_relabel_configs"]
            self.assertEqual((keep["action"], keep["source_labels"]), ("keep", ["__name__"]))
            names = keep["regex"].split("|") if "(" not in keep["regex"] else re.split(r"\|(?![^(]*\))", keep["regex"])
            histograms = {name.removesuffix("_(?:bucket|sum|count)") for name in names if name.endswith(")")}
            plain = {name for name in names if not name.endswith(")")}
            self.assertEqual(histograms | plain, set(let_through(case)))
            kinds = {name: documented()[name][0] for name in let_through(case)}
            self.assertEqual(histograms, {name for name, kind in kinds.items() if kind == "histogram"})
            self.assertTrue(all(re.fullmatch(r"[a-z0-9_]+", name) for name in histograms | plain))
            # What never was of interest on the dashboards either.
            quiet = re.search(r"QUIET = 'route!~\"([^\"]*)\"'", (chart.REPOSITORY / "observability/generate.py").read_text())[1]
            self.assertEqual((drop["action"], drop["source_labels"], drop["regex"]), ("drop", ["route"], quiet))

    def test_it_finds_every_pod_that_serves_metrics_and_asks_nobody_else(self):
        for case in CASES:
            [found] = scraping(case)["dns_sd_configs"]
            self.assertEqual(found["names"], [f"{service}-pods" for service in chart.services(case)])
            for name in found["names"]:
                spec = chart.of_kind(case, "Service")[name]["spec"]
                self.assertEqual((spec["clusterIP"], spec["publishNotReadyAddresses"]), ("None", True))
                [container] = chart.services(case)[name.removesuffix("-pods")]["spec"]["template"]["spec"]["containers"]
                self.assertEqual([port["containerPort"] for port in container["ports"]], [found["port"]])
            self.assertEqual(scraping(case)["metrics_path"], "/metrics")
            # Names are enough: it has no rights in the cluster.
            self.assertEqual({document["kind"] for document in chart.objects(case)} & {"Role", "RoleBinding", "ClusterRole"}, set())

    def test_it_writes_where_its_role_may(self):
        role = terraform.text("permissions.tf")
        role = role[role.index("    telemetry = ["):role.index("web_statements")]
        namespace = re.search(r'"cloudwatch:namespace" = "(\w+)"', role)[1]
        self.assertEqual(namespace, re.search(r'namespace = "(\w+)"', terraform.text("modules/alarms/main.tf").partition("metric_transformation")[2])[1])
        group = re.search(r'log-group:(\S+):\*"', role)[1]
        [made] = re.findall(r'resource "aws_cloudwatch_log_group" "metrics" \{\s+name\s*= "([^"]+)"', terraform.text("permissions.tf"))
        self.assertEqual(group, made)
        self.assertEqual(terraform.block("outputs.tf", "value =")["collector"]["logGroupName"], "aws_cloudwatch_log_group.metrics.name")
        self.assertEqual(chart.case("production")["collector"]["logGroupName"], made.replace("${var.name}", "cloudapp"))
        for right in ("xray:PutTraceSegments", "logs:CreateLogStream", "logs:PutLogEvents"):
            self.assertIn(f'"{right}"', role)
        for case in CASES:
            exporters = config(case)["exporters"]
            self.assertEqual(exporters["awsemf"]["namespace"], namespace)
            self.assertEqual(exporters["awsemf"]["log_group_name"], chart.case(case)["collector"]["logGroupName"])
            self.assertEqual({exporter["region"] for exporter in exporters.values()}, {chart.case(case)["aws"]["region"]})


def exposition():
    """Every metric of docs/metrics.md as a service shows it, of three routes where there are routes."""
    lines = []
    for name, (kind, labels) in documented().items():
        lines.append(f"# TYPE {name} {kind}")
        for route in ("/api/instances", "/api/instances/{id}/events", "/readyz") if "route" in labels else ("",):
            pairs = [f'{label}="{route if label == "route" else "x"}"' for label in labels]
            text = lambda *more: "{" + ",".join([*pairs, *more]) + "}"
            if kind == "histogram":
                lines += [f"{name}_bucket{text('le=' + json.dumps(bound))} 1" for bound in ("1", "+Inf")]
                lines += [f"{name}_sum{text()} 1", f"{name}_count{text()} 1"]
            else:
                lines.append(f"{name}{text()} 1")
    return "\n".join(lines) + "\n"


class Service(http.server.BaseHTTPRequestHandler):
    """Answers `/metrics`."""

    def do_GET(self):
        body = exposition().encode()
        self.send_response(200 if self.path == "/metrics" else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Scraped(unittest.TestCase):
    """The settings of the receiver are Prometheus' own: one of them is given to a Prometheus, on loopback."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("prometheus"):
            raise RuntimeError("prometheus is missing: apt-get install prometheus")

    @contextlib.contextmanager
    def scraped(self, work):
        # Two pods that differ in their address only, found otherwise than by the cluster's names.
        pods = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) for _ in range(2)]
        for pod in pods:
            threading.Thread(target=pod.serve_forever, daemon=True).start()
        addresses = [f"127.0.0.1:{pod.server_port}" for pod in pods]
        job = {**scraping("production"), "scrape_interval": "1s", "scrape_timeout": "1s"}
        [found] = job.pop("dns_sd_configs")
        job["static_configs"] = [{"targets": addresses, "labels": {"__meta_dns_name": found["names"][-1]}}]
        (work / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [job]}))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(work / "log", "w", encoding="utf-8") as log, subprocess.Popen(
            ["prometheus", f"--config.file={work / 'prometheus.yml'}", f"--storage.tsdb.path={work / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log,
        ) as prometheus:
            try:
                yield addresses, f"http://127.0.0.1:{port}/api/v1/series?" + urllib.parse.urlencode({"match[]": '{pod!=""}'})
            finally:
                prometheus.kill()
                for pod in pods:
                    pod.shutdown()
                    pod.server_close()

    def test_the_whole_of_it_is_understood(self):
        with tempfile.TemporaryDirectory() as work:
            file = pathlib.Path(work) / "prometheus.yml"
            file.write_text(yaml.safe_dump({"scrape_configs": [scraping("production")]}))
            ran = subprocess.run(["promtool", "check", "config", str(file)], capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_what_comes_of_it_is_what_is_let_through(self):
        with tempfile.TemporaryDirectory() as work, self.scraped(pathlib.Path(work)) as (addresses, url):
            series, until = [], time.monotonic() + 120
            while {one["pod"] for one in series if one["__name__"].startswith("cloudapp_")} != set(addresses):
                self.assertLess(time.monotonic(), until, (pathlib.Path(work) / "log").read_text()[-2000:])
                time.sleep(0.5)
                with contextlib.suppress(OSError):
                    series = json.load(urllib.request.urlopen(url, timeout=5))["data"]
        ours = [one for one in series if one["__name__"].startswith("cloudapp_")]
        self.assertEqual({one["service"] for one in ours}, {scraping("production")["dns_sd_configs"][0]["names"][-1].removesuffix("-pods")})
        self.assertEqual({one["route"] for one in ours if "route" in one}, {"/api/instances"})
        wanted = {}
        for name, dimensions in let_through("production").items():
            for series_name in [name + suffix for suffix in SUFFIXES] if documented()[name][0] == "histogram" else [name]:
                wanted[series_name] = set(dimensions)
        self.assertEqual({one["__name__"] for one in ours}, set(wanted))
        for one in ours:
            self.assertLessEqual(wanted[one["__name__"]], set(one))
        # One pod's are never another's.
        without = [tuple(sorted((key, value) for key, value in one.items() if key not in ("pod", "instance"))) for one in ours]
        self.assertEqual({without.count(labels) for labels in without}, {2})


if __name__ == "__main__":
    unittest.main()
