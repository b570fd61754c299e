"""deploy/values, run as its user runs it."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).parents[1] / "values"
DIGESTS = {name: f"sha256:{'0' * 64}" for name in ("configure-instance", "provision-instance", "view-stats", "operate", "web")}


def run(text, *arguments):
    ran = subprocess.run([sys.executable, SCRIPT, *arguments], input=text, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def outputs(value, **more):
    return json.dumps({"helm_values": {"sensitive": False, "type": "object", "value": value}, **more})


class Values(unittest.TestCase):
    def test_the_output_becomes_values_with_images(self):
        value = {"aws": {"region": "eu-central-1", "clusterName": "cloudapp", "vpcId": "vpc-1"}, "images": {"registry": "r"},
                 "loadBalancerController": {}, "serviceAccounts": {"operate": {}, "telemetry": {}}, "web": {}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(DIGESTS, file)
            file.flush()
            code, out, err = run(outputs(value, other={"value": 1}), "--digests", file.name)
        self.assertEqual((code, err), (0, ""))
        digests = {name: digest for name, digest in DIGESTS.items() if name != "web"}
        self.assertEqual(json.loads(out), {
            "aws": {"region": "eu-central-1"}, "images": {"registry": "r", "digests": digests},
            "serviceAccounts": {"operate": {}, "telemetry": {}}})

    def test_a_tag_will_do(self):
        code, out, _ = run(outputs({"images": {"registry": "r"}}), "--tag", "1.2")
        self.assertEqual((code, json.loads(out)), (0, {"images": {"registry": "r", "tag": "1.2"}}))

    def test_what_cannot_be_used_is_refused_with_the_way_out(self):
        good = outputs({"images": {"registry": "r"}})
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"operate": "sha256:1"}, file)
            file.flush()
            for text, arguments, said in [
                ("", ["--tag", "1"], "standard input is not JSON"),
                ("[]", ["--tag", "1"], "not a JSON object"),
                ("{}", ["--tag", "1"], "run `terraform apply` first"),
                (json.dumps({"helm_values": {}}), ["--tag", "1"], "give all of `terraform output -json`"),
                (json.dumps({"helm_values": {"value": {}, "sensitive": True}}), ["--tag", "1"], "marked sensitive"),
                (good, [], "say which images to run"),
                (good, ["--digests", "/nowhere"], "/nowhere cannot be read"),
                (good, ["--digests", file.name], "lack configure-instance, provision-instance, view-stats"),
            ]:
                with self.subTest(said=said):
                    code, out, err = run(text, *arguments)
                    self.assertEqual((code, out), (1, ""))
                    self.assertIn(said, err)
                    self.assertEqual(err.count("\n"), 1, err)


if __name__ == "__main__":
    unittest.main()
