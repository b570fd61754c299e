"""Policies and roles over a state that `apply --record` kept: they accept it, and notice what is broken in it.

What Terraform makes today is judged by `apply`; this is about the judges.
"""

import copy
import gzip
import json
import unittest
from pathlib import Path

from cloudapp_checks import roles
from cloudapp_checks.plan import Plan, UnknownValue
from cloudapp_checks.policies import POLICIES, run, run_all
from cloudapp_checks.policies.breakers import BREAKERS, grant, statement, toothless

STATE = json.loads(gzip.decompress((Path(__file__).parent / "recorded-state.json.gz").read_bytes()))
VALUES = STATE["values"]["outputs"]["helm_values"]["value"]


def broken(break_it) -> Plan:
    document = copy.deepcopy(STATE)
    break_it(document)
    return Plan(document)


class Policies(unittest.TestCase):
    def test_all_hold(self):
        findings = [str(finding) for report in run_all(Plan(STATE)) for finding in report.findings]
        self.assertEqual(findings, [])

    def test_each_notices_each_break(self):
        self.assertEqual(POLICIES.keys(), BREAKERS.keys())
        self.assertEqual(toothless(STATE), [])

    def test_a_policy_that_looks_at_nothing_is_a_finding(self):
        nothing = Plan({"values": {"root_module": {"resources": []}}})
        silent = [name for name in POLICIES if not run(name, nothing).findings]
        self.assertEqual(silent, [])

    def test_what_is_not_known_yet_is_a_finding(self):
        document = copy.deepcopy(STATE)
        queue = next(resource for resource in Plan(document).of("aws_sqs_queue"))
        del queue.values["kms_master_key_id"]
        with self.assertRaises(UnknownValue):
            queue.get("kms_master_key_id")
        self.assertTrue(run("encrypted_with_our_keys", Plan(document)).findings)


class Roles(unittest.TestCase):
    def wrong(self, plan: Plan) -> list[str]:
        return roles.judge(plan, VALUES, "production")[0]

    def test_all_answers_are_right(self):
        self.assertEqual(self.wrong(Plan(STATE)), [])

    def test_a_role_that_may_too_much_is_noticed(self):
        plan = broken(grant('["view-stats"]', Action="rds-db:connect", Resource="*"))
        self.assertTrue(any("cloudapp-view-stats may rds-db:connect" in one for one in self.wrong(plan)))

    def test_a_role_that_may_too_little_is_noticed(self):
        plan = broken(statement("aws_iam_role_policy", "policy", '["provision-instance"]', sid="InTheMachinesSubnets", Resource=[]))
        self.assertTrue(any("needs ec2:RunInstances" in one and "subnet" in one for one in self.wrong(plan)))

    def test_an_authority_that_an_administrator_can_use_is_noticed(self):
        plan = broken(statement("aws_kms_key", "policy", "ssh_ca", sid="NobodyElseSigns", Effect="Allow"))
        self.assertIn("admin may sign login certificates", self.wrong(plan))


if __name__ == "__main__":
    unittest.main()
