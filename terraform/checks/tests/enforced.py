"""The roles of the recorded state before a MiniStack that enforces IAM, and that this judge notices what is wrong.

Run by `checks/test` with the Python that has MiniStack, and so not named as the other tests, which any Python runs.
"""

import copy
import gzip
import json
import unittest
from pathlib import Path
from unittest import mock

from cloudapp_checks.enforced.ministack import require_ministack

require_ministack()  # what follows wants what comes with it

from cloudapp_checks.enforced import blind, judge
from cloudapp_checks.enforced.blind import Gap, sight
from cloudapp_checks.enforced.calls import NoCall, call
from cloudapp_checks.evaluator import Request
from cloudapp_checks.policies.breakers import grant, statement

STATE = json.loads(gzip.decompress((Path(__file__).parent / "recorded-state.json.gz").read_bytes()))
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:cloudapp-login"
IMAGE = "arn:aws:ec2:eu-west-1::image/ami-1"


def broken(*breakers) -> dict:
    document = copy.deepcopy(STATE)
    for break_it in breakers:
        break_it(document)
    return document


class Roles(unittest.TestCase):
    def test_every_role_may_what_it_needs_and_nothing_else(self):
        outcome = judge.judge(STATE, "production")
        print(outcome.said())
        self.assertEqual(outcome.wrong, [])
        # So that the lists of what cannot be judged do not quietly become everything.
        self.assertGreaterEqual(outcome.answers.total(), 330)
        self.assertGreaterEqual(outcome.answers["answered"], 45)

    def test_too_much_and_too_little_are_noticed(self):
        too_much = grant('["view-stats"]', Action="sqs:PurgeQueue", Resource="*")
        too_little = statement("aws_iam_role_policy", "policy", '["provision-instance"]', sid="InTheMachinesSubnets", Resource=IMAGE)
        both = frozenset({"cloudapp-view-stats", "cloudapp-provision-instance"})
        wrong = judge.judge(broken(too_much, too_little), "production", both).wrong
        self.assertTrue(all("view-stats may sqs:PurgeQueue" in one or "needs ec2:RunInstances" in one for one in wrong), wrong)
        self.assertTrue(any("and must not: MiniStack lets it" in one for one in wrong), wrong)
        self.assertTrue(any(":subnet/" in one and "MiniStack refuses it" in one for one in wrong), wrong)


class Comparing(unittest.TestCase):
    def compare(self, answer: str, expected: bool | None, *allowed: str) -> list[str]:
        documents = [{"Statement": [{"Effect": "Allow", "Action": list(allowed), "Resource": "*"}]}]
        return judge.compare(judge.Question("r", Request("sqs:SendMessage", QUEUE), expected), documents, answer)

    def test_all_agree(self):
        self.assertEqual(self.compare("answered", True, "sqs:*"), [])
        self.assertEqual(self.compare("let through", True, "sqs:*"), [])
        self.assertEqual(self.compare("refused", False, "sqs:ReceiveMessage"), [])

    def test_a_disagreement_with_the_evaluator_is_a_fault(self):
        self.assertIn("the evaluator allowed by nothing", self.compare("answered", None, "sqs:ReceiveMessage")[0])
        self.assertIn("the evaluator allowed", self.compare("refused", None, "sqs:*")[0])

    def test_the_table_is_held_against_it_too(self):
        self.assertIn("must not", self.compare("answered", False, "sqs:*")[0])
        self.assertIn("refuses it", self.compare("refused", True, "sqs:ReceiveMessage")[0])


class Gaps(unittest.TestCase):
    def test_what_is_lost_matters_only_to_who_has_a_statement_that_reads_it(self):
        key = "arn:aws:kms:eu-west-1:123456789012:key/1"
        seen = sight(Request("kms:Decrypt", key, {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}))
        self.assertEqual(seen.request.context, {})

        def role(**more) -> list[dict]:
            return [{"Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, **more}]}]

        condition = {"StringEquals": {"kms:ViaService": "sqs.eu-west-1.amazonaws.com"}}
        self.assertIn("kms:ViaService", seen.blinded(role(Condition=condition)))
        self.assertIsNone(seen.blinded(role()))
        self.assertIsNone(seen.blinded(role(Condition=condition, Resource=key + "2")))
        self.assertIsNone(seen.blinded([]))

    def test_a_resource_that_is_lost_matters_to_who_may_the_action_at_all(self):
        seen = sight(Request("ssm:GetParameters", "arn:aws:ssm:eu-west-1:123456789012:parameter/secret"))
        self.assertEqual(seen.request.resource, "*")
        allow = {"Effect": "Allow", "Action": "ssm:Get*", "Resource": "arn:aws:ssm:eu-west-1::parameter/aws/service/*"}
        self.assertIn("of several parameters", seen.blinded([{"Statement": [allow]}]))
        self.assertIsNone(seen.blinded([{"Statement": [{**allow, "Action": "ssm:PutParameter"}]}]))

    def test_what_is_neither_asked_nor_listed_is_refused(self):
        with self.assertRaises(NoCall):
            call(Request("dynamodb:GetItem", "*"))
        with self.assertRaises(blind.Unlisted):
            sight(Request("sqs:SendMessage", QUEUE, {"aws:SourceVpc": "vpc-1"}))

    def test_a_gap_that_no_table_has_is_noticed(self):
        asked = [judge.Question("r", Request("sqs:SendMessage", QUEUE), False)]
        with mock.patch.object(judge, "UNASKED", [Gap("no reason any more", ("dynamodb:*",))]):
            self.assertIn("enforced/blind.py lists what no table asks: no reason any more", judge._stale(asked))


class Eyes(unittest.TestCase):
    """What the lists say of MiniStack is tried, in both directions."""

    def look(self, sees, request: Request) -> list[str]:
        eye = mock.Mock(sees=sees)
        return judge.look(eye, request, sight(request))

    def test_a_call_that_is_taken_for_another_is_noticed(self):
        wrong = self.look(lambda asked, as_: False, Request("sqs:SendMessage", QUEUE))
        self.assertIn("does not take the call for this", wrong[0])

    def test_a_gap_that_has_closed_is_noticed(self):
        machine = "arn:aws:ec2:eu-west-1:123456789012:instance/i-1"
        request = Request("ec2:CreateTags", machine, {"ec2:CreateAction": "RunInstances"})
        wrong = self.look(lambda asked, as_: True, request)
        self.assertTrue(any("MiniStack sees the resource" in one for one in wrong), wrong)
        self.assertTrue(any("MiniStack supplies ec2:CreateAction" in one for one in wrong), wrong)


if __name__ == "__main__":
    unittest.main()
