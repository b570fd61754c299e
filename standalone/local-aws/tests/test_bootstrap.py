"""`bootstrap.py`: what it makes, and that it can be run again."""

import json
import os
import subprocess
import sys

from cloudapp_resources import stack
from tests.support import HERE, PASSWORD, TOTP, SharedAwsTest, code

BOOTSTRAP = os.path.join(os.path.dirname(HERE), "bootstrap.py")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, BOOTSTRAP, *arguments], capture_output=True, text=True, timeout=60)


class Resources(SharedAwsTest):
    def write(self, name: str, content) -> str:
        path = os.path.join(self.aws.folder, name)
        with open(path, "w") as file:
            json.dump(content, file)
        return path

    def test_a_second_run_changes_nothing_and_writes_the_same(self):
        config = self.write("in.json", self.aws.configuration())
        output = os.path.join(self.aws.folder, "out.json")
        done = run("--endpoint", self.aws.endpoint, "--config", config, "--output", output)
        self.assertEqual((done.returncode, done.stderr), (0, "bootstrap: 0 changes\n"))
        with open(output) as file:
            self.assertEqual(json.load(file), self.aws.names)

    def test_a_changed_environment_is_the_only_change_and_placeholders_are_filled(self):
        config = self.aws.configuration()
        config["lambda_env"]["stop-ec2"] = {**config["lambda_env"]["stop-ec2"], "ISSUER": "${issuer}",
                                            "QUEUE": "${queues_login}", "PLAIN": "$$5"}
        before = len(self.aws.session.changes)
        self.assertEqual(stack.ensure_all(self.aws.session, config), self.aws.names)
        self.assertEqual(self.aws.session.changes[before:], ["function cloudapp-stop-ec2: configuration"])
        environment = self.aws.session.client("lambda").get_function_configuration(
            FunctionName="cloudapp-stop-ec2")["Environment"]["Variables"]
        self.assertEqual((environment["ISSUER"], environment["QUEUE"], environment["PLAIN"]),
                         (self.aws.names["issuer"], self.aws.names["queues"]["login"], "$5"))
        self.aws.bootstrap()

    def test_an_unknown_placeholder_is_refused(self):
        config = self.aws.configuration()
        config["lambda_env"]["auth"] = {"X": "${nothing}"}
        with self.assertRaises(stack.ConfigurationError):
            stack.ensure_all(self.aws.session, config)

    def test_a_poison_message_ends_in_the_dead_letter_queue_after_five_receives(self):
        queues = self.aws.names["queues"]
        attributes = self.aws.session.client("sqs").get_queue_attributes(
            QueueUrl=queues["login"], AttributeNames=["All"])["Attributes"]
        self.assertEqual(json.loads(attributes["RedrivePolicy"])["maxReceiveCount"], 5)
        self.assertTrue(json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"].endswith("cloudapp-login-dlq"))
        self.assertGreaterEqual(int(attributes["VisibilityTimeout"]), 6 * stack.TIMEOUT_SECONDS["login-poller"])


class Users(SharedAwsTest):
    def seed(self, users: list[dict], previous: list[dict] | None = None) -> list[dict]:
        names = self.aws.names
        folder = self.aws.folder
        for name, content in (("users.json", users), ("previous.json", previous or [])):
            with open(os.path.join(folder, name), "w") as file:
                json.dump(content, file)
        done = run("seed-users", "--endpoint", self.aws.endpoint, "--pool", names["user_pool_id"],
                   "--client", names["client_id"], "--users", os.path.join(folder, "users.json"),
                   "--previous", os.path.join(folder, "previous.json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_users_are_made_once_and_then_left_alone(self):
        wanted = [{"email": "root@example.com", "password": PASSWORD, "role": "admin"},
                  {"email": "ann@example.com", "password": PASSWORD, "role": "user"}]
        admin, user = seeded = self.seed(wanted)
        self.assertIsNone(user["totp_secret"])
        challenge = self.aws.sign_in(admin["email"])
        self.assertEqual(challenge["ChallengeName"], TOTP)
        self.assertIn("AuthenticationResult", self.aws.answer(
            challenge, USERNAME=admin["email"], SOFTWARE_TOKEN_MFA_CODE=code(admin["totp_secret"])))

        token = self.aws.tokens(user["email"])["AccessToken"]
        self.aws.cognito.change_password(AccessToken=token, PreviousPassword=PASSWORD,
                                         ProposedPassword=PASSWORD + "changed")
        self.assertEqual(self.seed(wanted, seeded), seeded)
        self.assertIn("AccessToken", self.aws.tokens(user["email"], PASSWORD + "changed"))
