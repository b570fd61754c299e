"""Lint, rendering over the matrix, Kubernetes' own schemas, and snapshots."""

import os
import unittest

import kubernetes_validate
import yaml

import chart

# No schema of Kubernetes' knows them; test_objects.py looks at their few fields.
CUSTOM = {"SecurityGroupPolicy"}


class Rendering(unittest.TestCase):
    def test_lint_finds_nothing(self):
        for name in chart.CASES:
            with self.subTest(name):
                # Helm 3.10 lints as Kubernetes 1.20, which the chart does not accept, unless it only looks at the rest.
                code, out, err = chart.helm(["lint", "--strict"], chart.case(name))
                self.assertEqual(code, 0, out + err)
                self.assertNotIn("[WARNING]", out)

    def test_every_object_is_what_kubernetes_knows(self):
        for name in chart.CASES:
            for kubernetes in chart.KUBERNETES:
                with self.subTest(name, kubernetes=kubernetes):
                    documents = [d for d in yaml.safe_load_all(chart.template(chart.case(name), kubernetes)) if d]
                    self.assertGreater(len(documents), 10)
                    for document in documents:
                        if document["kind"] not in CUSTOM:
                            kubernetes_validate.validate(document, kubernetes, strict=True)

    def test_the_schemas_do_refuse(self):
        [deployment, *_] = chart.of_kind("production", "Deployment").values()
        for change in ({"replicas": "two"}, {"replica": 2}):
            with self.assertRaises(kubernetes_validate.ValidationError):
                broken = {**deployment, "spec": {**deployment["spec"], **change}}
                kubernetes_validate.validate(broken, chart.KUBERNETES[0], strict=True)

    def test_the_objects_are_those_of_the_snapshots(self):
        for name in chart.CASES:
            with self.subTest(name):
                path = chart.CHECKS / "golden" / f"{name}.yaml"
                rendered = chart.template(chart.case(name))
                if os.environ.get("UPDATE_GOLDEN"):
                    path.write_text(rendered)
                self.assertEqual(rendered, path.read_text() if path.exists() else "", "UPDATE_GOLDEN=1 rewrites it")


if __name__ == "__main__":
    unittest.main()
