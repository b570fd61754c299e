"""deploy/apply and deploy/destroy call the right programs in the right order. The programs are doubles that write down
how they are called; deploy/values is the real one."""

import json
import os
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
VALUES = {"namespace": "cloudapp", "aws": {"region": "eu-west-1", "clusterName": "cloudapp", "vpcId": "vpc-1"},
          "ingress": {"loadBalancerName": "cloudapp-services"},
          "images": {"registry": "1.dkr.ecr.eu-west-1.amazonaws.com/cloudapp"}}
IMAGES = ("web", "configure-instance", "provision-instance", "view-stats", "operate")
OUTPUTS = {
    "helm_values": VALUES, "services": {"load_balancer_name": "cloudapp-services"}, "web": {"url": "https://cloudapp.example.com"},
    "images": {image: f"1.dkr.ecr.eu-west-1.amazonaws.com/cloudapp/{image}" for image in IMAGES},
    "load_balancer_controller": {"vpc_id": "vpc-1", "service_account": "alb", "role_arn": "arn:aws:iam::1:role/alb"},
}
# What every double does: writes its call down, and answers as ANSWERS says.
DOUBLE = """#!/usr/bin/env python3
import json, os, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
call = " ".join([name, *arguments, *([f"[{os.environ.get('AWS_REGION')}]"] if name == "aws" else [])])
with open(os.environ["CALLS"], "a") as calls:
    calls.write(call + "\\n")
if name == "kubectl" and "apply" in arguments:
    sys.stdin.read()
outputs, facts = json.loads(os.environ["OUTPUTS"]), json.loads(os.environ["FACTS"])
if name == "terraform" and "output" in arguments:
    asked = arguments[-1]
    if not facts["state"]:
        sys.exit(1)
    print(json.dumps(outputs[asked] if asked in outputs else {key: {"value": value, "sensitive": False} for key, value in outputs.items()}))
elif name == "terraform":
    pass
elif "describe-load-balancers" in arguments and facts["balancer"] is not True:
    sys.exit(facts["balancer"] or "An error occurred (LoadBalancerNotFound) when calling the operation")
elif "describe-images" in arguments and not facts["images"]:
    sys.exit(255)
elif "describe-instances" in arguments:
    print(facts["machines"])
elif name == "helm" and arguments[0] == "version":
    print(facts["helm"])
"""


class Order(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.calls = self.folder / "calls"
        for name in ("terraform", "aws", "helm", "kubectl"):
            double = self.folder / name
            double.write_text(DOUBLE)
            double.chmod(double.stat().st_mode | stat.S_IXUSR)

    def run_script(self, script, *arguments, **facts):
        facts = {"state": True, "balancer": False, "images": True, "machines": "None", "helm": "v3.18.0", **facts}
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "CALLS": str(self.calls),
                       "OUTPUTS": json.dumps(OUTPUTS), "FACTS": json.dumps(facts)}
        done = subprocess.run([DEPLOY / script, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False)
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return done, [call for call in calls if " output " not in call and not call.startswith("helm version")]

    def position(self, calls, *parts):
        found = [index for index, call in enumerate(calls) if all(part in call for part in parts)]
        self.assertEqual(len(found), 1, f"{parts} in {calls}")
        return found[0]

    def test_the_first_time_terraform_runs_before_and_after_the_chart(self):
        done, calls = self.run_script("apply", "root", "1.0.0", "-auto-approve")
        self.assertEqual(done.returncode, 0, done.stderr)
        before = self.position(calls, "terraform -chdir=root apply", "-var=services_balancer_exists=false", "-var=image_tag=1.0.0", "-auto-approve")
        controller = self.position(calls, "helm upgrade --install aws-load-balancer-controller", "serviceAccount.name=alb", "vpcId=vpc-1")
        chart = self.position(calls, "helm upgrade --install cloudapp", "--namespace cloudapp")
        there = self.position(calls, "aws elbv2 wait load-balancer-available --names cloudapp-services")
        after = self.position(calls, "terraform -chdir=root apply", "-var=services_balancer_exists=true")
        self.assertEqual([before, controller, chart, there, after], sorted([before, controller, chart, there, after]))
        self.assertIn("https://cloudapp.example.com", done.stdout)

    def test_later_the_chart_comes_first_so_that_what_calls_is_never_newer_than_what_answers(self):
        done, calls = self.run_script("apply", "root", "1.0.1", balancer=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        chart = self.position(calls, "helm upgrade --install cloudapp", "--namespace cloudapp")
        terraform = self.position(calls, "terraform -chdir=root apply", "-var=services_balancer_exists=true", "-var=image_tag=1.0.1")
        self.assertLess(chart, terraform)
        self.assertTrue(all("[eu-west-1]" in call for call in calls if call.startswith("aws")), calls)

    def test_own_values_come_after_terraforms(self):
        root = self.folder / "root"
        root.mkdir()
        done, calls = self.run_script("apply", str(root), "1.0.1", balancer=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls[self.position(calls, "install cloudapp")].count("--values"), 1)
        self.calls.unlink()
        (root / "values.yaml").write_text("provisionInstance: { instancesPerUser: 5 }\n")
        done, calls = self.run_script("apply", str(root), "1.0.1", balancer=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        chart = calls[self.position(calls, "install cloudapp")]
        self.assertRegex(chart, rf"--values \S+/values\.json --values {root}/values\.yaml --wait")

    def test_when_aws_does_not_say_whether_the_balancer_is_there_nothing_is_changed(self):
        done, calls = self.run_script("apply", "root", "1.0.1", balancer="Unable to locate credentials")
        self.assertEqual(done.returncode, 1)
        self.assertIn("Unable to locate credentials", done.stderr)
        self.assertIn("nothing was changed", done.stderr)
        self.assertFalse([call for call in calls if not call.startswith("aws")])

    def test_before_the_first_apply_there_is_no_state_to_ask(self):
        done, calls = self.run_script("apply", "root", "1.0.0", state=False)
        # The double does not make a state either: what it must not do is to ask AWS for a balancer of no name.
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(calls, ["terraform -chdir=root apply -var=image_tag=1.0.0 -var=services_balancer_exists=false"])

    def test_a_helm_that_waits_for_more_is_refused_before_anything_is_changed(self):
        done, calls = self.run_script("apply", "root", "1.0.1", balancer=True, helm="v4.0.1")
        self.assertEqual((done.returncode, calls), (1, []))
        self.assertIn("helm 3 is needed, 3.18 or newer; this is v4.0.1", done.stderr)

    def test_without_images_nothing_is_installed(self):
        done, calls = self.run_script("apply", "root", "1.0.0", images=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not there: build and push", done.stderr)
        self.assertFalse([call for call in calls if call.startswith("helm")])

    def test_the_ingress_goes_first_and_the_protection_before_the_data(self):
        done, calls = self.run_script("destroy", "root", "1.0.0", "--yes-destroy-all-data", "-auto-approve", balancer=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        order = [
            self.position(calls, "kubectl delete ingress --all --namespace cloudapp"),
            self.position(calls, "aws elbv2 wait load-balancers-deleted --names cloudapp-services"),
            self.position(calls, "helm uninstall cloudapp"),
            self.position(calls, "helm uninstall aws-load-balancer-controller"),
            self.position(calls, "terraform -chdir=root apply", "-var=protected=false", "-var=services_balancer_exists=false"),
            self.position(calls, "terraform -chdir=root destroy", "-var=protected=false"),
        ]
        self.assertEqual(order, sorted(order))

    def test_nothing_is_destroyed_by_accident_or_under_users(self):
        done, calls = self.run_script("destroy", "root", "1.0.0")
        self.assertEqual((done.returncode, calls), (2, []))
        self.assertIn("This deletes the database", done.stderr)
        done, calls = self.run_script("destroy", "root", "1.0.0", "--yes-destroy-all-data", machines="i-1\ti-2")
        self.assertEqual(done.returncode, 1)
        self.assertIn("users' machines still run", done.stderr)
        self.assertFalse([call for call in calls if "terraform" in call or "kubectl" in call])


if __name__ == "__main__":
    unittest.main()
