"""Terraform and the local AWS (`standalone/local-aws/`) describe the same things: what runs on a laptop runs on AWS."""

import ast
import re
import unittest
from pathlib import Path

TERRAFORM = Path(__file__).resolve().parents[2]
LOCAL = TERRAFORM.parent / "standalone" / "local-aws" / "cloudapp_resources"


def constants(file: str) -> dict:
    """The literals that a module of the local AWS names."""
    found = {}
    for node in ast.parse((LOCAL / file).read_text()).body:
        if isinstance(node, ast.Assign):
            try:
                value = ast.literal_eval(node.value)
            except ValueError:
                continue
            targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else [node.targets[0]]
            values = value if isinstance(node.targets[0], ast.Tuple) else [value]
            found.update({target.id: one for target, one in zip(targets, values)})
    return found


def text(path: str) -> str:
    """A Terraform file."""
    return (TERRAFORM / path).read_text()


def assigned(source: str, name: str) -> str:
    """What an attribute is set to, the first time."""
    return re.search(rf"(?m)^\s*{name}\s*=\s*(.+?)\s*(?:#.*)?$", source)[1]


class SameThings(unittest.TestCase):
    def test_the_table_of_events(self):
        source = text("modules/statistics/main.tf")
        columns = dict(re.findall(r'\["(\w+)", "(\w+)"\]', source))
        self.assertEqual(columns, constants("catalog.py")["COLUMNS"])
        variables = text("modules/statistics/variables.tf")
        self.assertIn(f'default     = "{constants("stack.py")["TABLE"]}"', variables)
        for parameter, value in re.findall(r'"(projection\.[\w.]+)"\s*=\s*"([^"]+)"', source):
            self.assertIn(f'"{parameter}": "{value}"', (LOCAL / "catalog.py").read_text())

    def test_timeouts_of_functions_and_queues(self):
        timeouts = dict(re.findall(r"([\w-]+)\s*=\s*(\d+)", re.search(r"timeouts = \{(.*?)\}", text("main.tf"))[1]))
        local = constants("stack.py")["TIMEOUT_SECONDS"]
        self.assertEqual({name: int(seconds) for name, seconds in timeouts.items()}, {name: local[name] for name in timeouts})
        self.assertIn(f"default     = {local['mailer']}", text("modules/messaging/variables.tf"))
        self.assertEqual(
            assigned(text("modules/messaging/main.tf").split('module "instance_events"')[1], "visibility_timeout_seconds"),
            str(constants("stack.py")["EVENTS_VISIBILITY_SECONDS"]),
        )
        self.assertIn(f"default     = {constants('messaging.py')['MAX_RECEIVE_COUNT']}", text("modules/queue/variables.tf"))

    def test_the_user_pool_and_its_client(self):
        source, local = text("modules/identity/main.tf"), constants("identity.py")
        self.assertEqual(assigned(source, "minimum_length"), str(local["PASSWORD_POLICY"]["MinimumLength"]))
        self.assertEqual(assigned(source, "require_symbols"), str(local["PASSWORD_POLICY"]["RequireSymbols"]).lower())
        client = local["CLIENT"]
        self.assertEqual(sorted(re.findall(r'"(ALLOW_\w+)"', source)), sorted(client["ExplicitAuthFlows"]))
        for attribute, key in (
            ("access_token_validity", "AccessTokenValidity"),
            ("id_token_validity", "IdTokenValidity"),
            ("refresh_token_validity", "RefreshTokenValidity"),
        ):
            self.assertEqual(assigned(source, attribute), str(client[key]))
        self.assertEqual(dict(re.findall(r'(admin|user) = "(\w+)"', source)), local["GROUPS"])

    def test_the_routes_of_the_api(self):
        routes = set(re.findall(r'"((?:GET|POST) /[^"]+)" = \{', text("main.tf")))
        local = set(re.findall(r'"((?:GET|POST) /[^"]+)":', (LOCAL / "stack.py").read_text()))
        self.assertEqual(routes, local)


if __name__ == "__main__":
    unittest.main()
