"""The evaluator against IAM's own documented examples and traps."""

import unittest

from cloudapp_checks.evaluator import Decision, Request, UnknownCondition, arn_matches, decide, decide_all, denied_by_key, matches


def policy(**statement) -> list[dict]:
    return [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}]}]


def get(resource="arn:aws:s3:::b/k", **context) -> Request:
    return Request("s3:GetObject", resource, {key.replace("_", ":"): value for key, value in context.items()})


class Matching(unittest.TestCase):
    def test_wildcards_reach_over_slashes_and_dots_are_dots(self):
        self.assertTrue(matches("arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b.c"))
        self.assertFalse(matches("t3.*", "t3a-large"))
        self.assertTrue(matches("t?.micro", "t3.micro"))

    def test_an_arns_wildcard_stays_in_its_part(self):
        self.assertTrue(arn_matches("arn:aws:eks:*:1:fargateprofile/c/*", "arn:aws:eks:eu-west-1:1:fargateprofile/c/p/u"))
        self.assertFalse(arn_matches("arn:aws:iam::1:role/*", "arn:aws:iam:x::1:role/a"))

    def test_actions_ignore_case_and_resources_do_not(self):
        self.assertIs(decide(policy(Action="S3:getobject"), get()), Decision.ALLOWED)
        self.assertIs(decide(policy(Resource="arn:aws:s3:::B/*"), get()), Decision.NOT_ALLOWED)


class Deciding(unittest.TestCase):
    def test_nothing_said_is_not_allowed_and_a_deny_wins(self):
        self.assertIs(decide(policy(Action="s3:PutObject"), get()), Decision.NOT_ALLOWED)
        both = policy() + policy(Effect="Deny", Action="s3:*")
        self.assertIs(decide(both, get()), Decision.DENIED)

    def test_a_call_on_several_resources_needs_all(self):
        documents = policy(Resource="arn:aws:s3:::a/*")
        self.assertIs(decide_all(documents, [get("arn:aws:s3:::a/1")]), Decision.ALLOWED)
        self.assertIs(decide_all(documents, [get("arn:aws:s3:::a/1"), get("arn:aws:s3:::b/1")]), Decision.NOT_ALLOWED)

    def test_what_is_not_understood_is_an_error(self):
        with self.assertRaises(UnknownCondition):
            decide(policy(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), get(aws_SourceIp="10.1.1.1"))
        with self.assertRaises(UnknownCondition):
            decide([{"Statement": [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}]}], get())


class Conditions(unittest.TestCase):
    def check(self, condition: dict, expected: bool, **context):
        decision = decide(policy(Condition=condition), get(**context))
        self.assertIs(decision, Decision.ALLOWED if expected else Decision.NOT_ALLOWED, (condition, context))

    def test_a_missing_key_fails_a_positive_condition(self):
        self.check({"StringEquals": {"aws:tag": "a"}}, False)
        self.check({"StringEquals": {"aws:tag": "a"}}, True, aws_tag="a")
        self.check({"StringEqualsIfExists": {"aws:tag": "a"}}, True)
        self.check({"StringEqualsIfExists": {"aws:tag": "a"}}, False, aws_tag="b")

    def test_one_of_the_values_is_enough_but_every_key_counts(self):
        self.check({"StringEquals": {"aws:tag": ["a", "b"]}}, True, aws_tag="b")
        self.check({"StringEquals": {"aws:tag": "a", "aws:other": "x"}}, False, aws_tag="a")

    def test_for_all_values_is_true_of_nothing_so_it_needs_null(self):
        only = {"ForAllValues:StringEquals": {"aws:keys": ["a"]}}
        self.check(only, True)
        self.check({**only, "Null": {"aws:keys": "false"}}, False)
        self.check({**only, "Null": {"aws:keys": "false"}}, True, aws_keys=["a"])
        self.check(only, False, aws_keys=["a", "b"])
        self.check({"ForAnyValue:StringEquals": {"aws:keys": ["a"]}}, True, aws_keys=["a", "b"])

    def test_negated_conditions_hold_without_the_key(self):
        self.check({"ArnNotEquals": {"aws:who": "arn:aws:iam::1:role/a"}}, True)
        self.check({"ArnNotEquals": {"aws:who": "arn:aws:iam::1:role/a"}}, False, aws_who="arn:aws:iam::1:role/a")

    def test_numbers_and_bools(self):
        self.check({"NumericLessThanEquals": {"n": "500"}}, True, n="30")
        self.check({"NumericLessThanEquals": {"n": "500"}}, False, n="501")
        self.check({"NumericEquals": {"n": "1"}}, False, n="2")
        self.check({"Bool": {"aws:SecureTransport": "false"}}, True, aws_SecureTransport="False")


class Keys(unittest.TestCase):
    def test_a_key_policys_deny_spares_whom_it_names(self):
        key = {
            "Statement": [
                {
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "kms:Sign",
                    "Resource": "*",
                    "Condition": {"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::1:role/signer"}},
                }
            ]
        }
        self.assertFalse(denied_by_key(key, "kms:Sign", "arn:aws:iam::1:role/signer"))
        self.assertTrue(denied_by_key(key, "kms:Sign", "arn:aws:iam::1:role/admin"))
        self.assertFalse(denied_by_key(key, "kms:GetPublicKey", "arn:aws:iam::1:role/admin"))


if __name__ == "__main__":
    unittest.main()
