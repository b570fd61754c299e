"""What counts as a difference."""

import unittest

from cloudapp_checks.drift import changed, unexplained


def plan(before, after, actions=("update",), unknown=None) -> dict:
    return {
        "resource_changes": [
            {
                "address": "a.b",
                "type": "aws_thing",
                "mode": "managed",
                "change": {"actions": list(actions), "before": before, "after": after, "after_unknown": unknown or {}},
            }
        ]
    }


class Drift(unittest.TestCase):
    def test_blocks_are_named_without_positions(self):
        self.assertEqual(changed({"a": [{"b": 1}, {"b": 2}]}, {"a": [{"b": 1}, {"b": 3}]}), {"a.b"})
        self.assertEqual(changed({"a": []}, {"a": [1]}), {"a"})
        self.assertEqual(changed({"a": 1}, {"a": 1}), set())

    def test_only_what_is_listed_is_explained(self):
        self.assertEqual(unexplained(plan({"x": 1}, {"x": 2}), {"aws_thing.x": "why"}), ([], {"aws_thing.x"}))
        faults, used = unexplained(plan({"x": 1, "y": 1}, {"x": 2, "y": 2}), {"aws_thing.x": "why"})
        self.assertEqual((faults, used), (["a.b: would change y"], {"aws_thing.x"}))

    def test_making_and_replacing_is_never_explained(self):
        for actions in (["create"], ["delete", "create"], ["delete"]):
            self.assertTrue(unexplained(plan({}, {}, actions), {"aws_thing.x": "why"})[0])
        self.assertEqual(unexplained(plan({}, {}, ["no-op"]), {}), ([], set()))


if __name__ == "__main__":
    unittest.main()
