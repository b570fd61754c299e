"""Chart, Terraform and code agree: the values, the names, the ports, and what web and the Lambdas are told."""

import importlib.machinery
import importlib.util
import json
import re
import unittest

import chart
import kubernetes_validate
import sources
import terraform
import yaml

_LOADER = importlib.machinery.SourceFileLoader("deploy_values", str(chart.REPOSITORY / "deploy/values"))
deploy_values = importlib.util.module_from_spec(importlib.util.spec_from_loader("deploy_values", _LOADER))
_LOADER.exec_module(deploy_values)


def leaves(value, path=()):
    """The paths of all that is no object."""
    if not isinstance(value, dict):
        return {path}
    return set().union(*(leaves(inner, (*path, key)) for key, inner in value.items()))


class Values(unittest.TestCase):
    def setUp(self):
        self.output = terraform.block("outputs.tf", "value =")
        for dotted in deploy_values.NOT_THE_CHARTS:
            self.output = deploy_values.without(self.output, dotted)
        self.schema = json.loads((chart.CHART / "values.schema.json").read_text())
        self.defaults = yaml.safe_load((chart.CHART / "values.yaml").read_text())

    def resolve(self, schema):
        return self.schema["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def test_terraform_gives_only_what_the_chart_takes(self):
        for path in leaves(self.output):
            schema = self.schema
            for key in path:
                self.assertIn(key, schema["properties"], ".".join(path))
                schema = self.resolve(schema["properties"][key])

    def demanded(self, schema, defaults, path=()):
        for key in schema.get("required", ()):
            inner = self.resolve(schema["properties"][key])
            default = defaults.get(key) if isinstance(defaults, dict) else None
            if inner.get("type") == "object" and "required" in inner:
                yield from self.demanded(inner, default or {}, (*path, key))
            elif default is None:
                yield (*path, key)

    def test_terraform_gives_all_that_has_no_default(self):
        demanded = set(self.demanded(self.schema, self.defaults))
        self.assertGreater(len(demanded), 15)
        self.assertEqual(demanded - leaves(self.output), set())

    def test_an_installation_may_have_the_same_names(self):
        written = (chart.REPOSITORY / "terraform/variables.tf").read_text()
        [pattern] = re.findall(r'regex\("([^"]+)", var\.name\)', written)
        self.assertEqual(self.schema["properties"]["provisionInstance"]["properties"]["installation"]["pattern"], pattern)

    def test_the_cases_of_these_checks_have_the_shape_of_the_output(self):
        images = {path for path in leaves(chart.case("production")) if path[:2] in (("images", "tag"), ("images", "digests"))}
        self.assertEqual(leaves(self.output) - leaves(chart.case("production")), set())
        self.assertEqual(leaves(chart.case("production")) - leaves(self.output) - images, {("ingress", "deletionProtection")})

    def test_what_the_command_makes_is_accepted(self):
        production = chart.case("production")
        digests = production.pop("images")["digests"]
        production["images"] = {"registry": chart.case("production")["images"]["registry"]}
        production["web"] = {"url": "https://cloudapp.example.com"}
        production["aws"]["vpcId"] = "vpc-0123456789abcdef0"
        outputs = {"helm_values": {"sensitive": False, "value": production}, "other": {"value": 1}}
        rendered = chart.template(deploy_values.convert(outputs, tag="0.1.0-5a4bf17", digests=digests))
        self.assertEqual(rendered, chart.template(chart.case("production")))


    def test_what_an_apply_gave_is_accepted(self):
        # `terraform output -json` after an apply of examples/production to an emulator; its queues' addresses, which were
        # the emulator's, are written as AWS's.
        applied = json.loads((chart.CHECKS / "applied.json").read_text())
        values = deploy_values.convert(applied, tag="0.1.0")
        for kubernetes in chart.KUBERNETES:
            for document in yaml.safe_load_all(chart.template(values, kubernetes)):
                kubernetes_validate.validate(document, kubernetes, strict=True)
        # It is what Terraform's source says now.
        for dotted in deploy_values.NOT_THE_CHARTS:
            values = deploy_values.without(values, dotted)
        self.assertEqual(leaves(values) - {("images", "tag")}, leaves(self.output))


class Document(unittest.TestCase):
    """docs/deploying.md names what there is."""

    document = (chart.REPOSITORY / "docs/deploying.md").read_text()

    def names(self, pattern, expected):
        found = set(re.findall(pattern, self.document))
        self.assertGreaterEqual(len(found), expected)
        return found

    def test_outputs_and_variables_exist(self):
        for example in ("production", "minimal"):
            outputs = set(re.findall(r'(?m)^output "(\w+)"', terraform.text(f"examples/{example}/outputs.tf")))
            variables = set(re.findall(r'(?m)^variable "(\w+)"', terraform.text(f"examples/{example}/variables.tf")))
            self.assertEqual(self.names(r"output -json (\w+)", 4) - outputs, set())
            self.assertEqual(self.names(r"-var (\w+)=", 2) - variables, set())

    def test_files_exist(self):
        for path in self.names(r"(?m)(?<![\w/.])((?:deploy|helm|images|terraform|docs)/[\w./-]+)", 8):
            # What images/build writes, and the reader's own copy, are not there before.
            if not path.startswith(("images/out", "terraform/examples/mine")):
                self.assertTrue((chart.REPOSITORY / path.rstrip(".")).exists(), path)


class Names(unittest.TestCase):
    def test_the_namespace_is_the_fargate_profiles(self):
        namespace = re.search(r'\bnamespace\s*=\s*"([\w-]+)"', terraform.text("main.tf"))[1]
        self.assertEqual(namespace, yaml.safe_load((chart.CHART / "values.yaml").read_text())["namespace"])

    def test_the_service_accounts_are_those_that_the_roles_trust(self):
        source = terraform.text("permissions.tf")
        roles = set(re.findall(r"(?m)^    ([a-z-]+)\s*= (?:\[|concat\()", source[source.index("service_accounts ="):]))
        self.assertEqual(roles, set(chart.of_kind("production", "ServiceAccount")))

    def test_the_port_is_the_one_that_the_security_groups_open(self):
        port = re.search(r'variable "pod_port" \{[^}]*default\s*=\s*(\d+)', terraform.text("modules/internal-endpoint/variables.tf"))[1]
        for name in chart.CASES:
            for deployment in chart.of_kind(name, "Deployment").values():
                [container] = deployment["spec"]["template"]["spec"]["containers"]
                # Whether the collector lives is asked by Kubernetes and in the cluster only.
                ports = [entry["containerPort"] for entry in container["ports"] if entry["name"] != "health"]
                self.assertEqual(ports, [int(port)])

    def test_there_is_a_repository_for_every_image(self):
        text = terraform.text("modules/registry/variables.tf")
        repositories = re.search(r'variable "images" \{.*?default\s*=\s*(?:toset\()?\[(.*?)\]', text, re.DOTALL)[1]
        built = re.search(r"(?m)^IMAGES=\((.*)\)", (chart.REPOSITORY / "images/parts.sh").read_text())[1].split()
        self.assertEqual(sorted(re.findall(r'"([\w-]+)"', repositories)), sorted(built))

    def test_there_is_a_function_for_every_zip(self):
        built = re.search(r"(?m)^LAMBDAS=\((.*)\)", (chart.REPOSITORY / "images/parts.sh").read_text())[1].split()
        packages = set(re.findall(r'lambda_packages(?:\["([\w-]+)"\]|\.([\w-]+))', terraform.text("functions.tf")))
        self.assertEqual(sorted(a or b for a, b in packages), sorted(built))


class Environment(unittest.TestCase):
    """What the parts that are not in the chart are told."""

    def compare(self, crate, told, elsewhere=(), left_alone=()):
        read = sources.read_by(crate)
        required = {name for name, must in read.items() if must}
        self.assertEqual(required - told - set(elsewhere), set(), "the program demands these, Terraform does not set them")
        self.assertEqual(told - set(read), set(), "Terraform sets these, nobody reads them")
        self.assertEqual(set(left_alone) - set(read), set())

    def test_web(self):
        told = terraform.variables("environment.tf", "web_environment =")
        listen = {name for name in ("CLOUDAPP_LISTEN", "CLOUDAPP_LOG_FORMAT") if name in terraform.text("modules/web/main.tf")}
        self.assertIn("CLOUDAPP_LISTEN", listen)
        self.compare(chart.REPOSITORY / "web", told | listen, elsewhere={"CLOUDAPP_SESSION_KEY"})
        self.assertIn('name = "CLOUDAPP_SESSION_KEY"', terraform.text("modules/web/main.tf"))

    def test_lambdas(self):
        source = terraform.text("functions.tf")
        for name in ("auth", "login-poller", "stop-ec2"):
            with self.subTest(name):
                module = source.index(f'module "function_{name.replace("-", "_")}"')
                head = source[module:source.index("environment", module)] + "environment"
                self.compare(chart.REPOSITORY / "lambdas" / name, terraform.variables("functions.tf", head))


if __name__ == "__main__":
    unittest.main()
