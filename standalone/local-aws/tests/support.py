"""Start, bootstrap, kill and question a local AWS from a test."""

import atexit
import base64
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import uuid

from cloudapp_resources import stack, users
from cloudapp_resources.session import Session

HERE = os.path.dirname(os.path.abspath(__file__))
LAUNCHER = os.path.join(os.path.dirname(HERE), "launcher.py")
PASSWORD = "Correct-horse-7"
TOTP = "SOFTWARE_TOKEN_MFA"


def until(condition, seconds: float = 10.0):
    """The first true value of `condition()`, polled; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def free_port() -> int:
    """Below the ports of outgoing connections, which would take it before a launcher listens."""
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)):
                return port


def claims(token: str) -> dict:
    """The claims of a JWT, unverified."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


class LocalAws:
    """A launcher process with a temporary state folder."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="local-aws-test-")
        self.process = None
        self.behave()

    def start(self, *arguments: str, port: int | None = None) -> "LocalAws":
        self.endpoint = f"http://127.0.0.1:{port or free_port()}"
        environment = {**os.environ, "STATE_DIR": os.path.join(self.folder, "state"),
                       "LAMBDA_LOG_DIR": os.path.join(self.folder, "logs"),
                       "GATEWAY_PORT": self.endpoint.rsplit(":", 1)[1]}
        for inherited in ("AWS_ENDPOINT_URL", "S3_DATA_DIR", "MINISTACK_HOST"):
            environment.pop(inherited, None)
        with open(os.path.join(self.folder, "launcher.log"), "ab") as log:
            self.process = subprocess.Popen([sys.executable, LAUNCHER, *arguments], env=environment,
                                            stdin=subprocess.PIPE, stdout=log, stderr=log)
        self.session = Session(self.endpoint)
        until(self._answers, 30)
        return self

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "launcher.log")) as log:
                raise AssertionError(f"the launcher ended: {log.read()}")
        try:
            return self.get("/_ministack/health")[0] == 200
        except OSError:
            return False

    def bootstrap(self) -> "LocalAws":
        self.names = stack.ensure_all(self.session, self.configuration())
        return self

    def configuration(self) -> dict:
        environment = {"TEST_DIR": self.folder}
        return {"lambda_command": [sys.executable, os.path.join(HERE, "lambda_double.py")],
                "lambda_env": {name: environment for name in ("auth", "login-poller", "stop-ec2")},
                "admin_mail": "admins@example.com", "web_url": "http://127.0.0.1:8080"}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=15)

    def remove(self) -> None:
        if self.process and self.process.poll() is None:
            self.stop()
        self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def behave(self, **behaviour) -> None:
        """What the Lambdas do from now on."""
        path = os.path.join(self.folder, "behaviour.json")
        with open(path + ".new", "w") as file:
            json.dump(behaviour, file)
        os.replace(path + ".new", path)

    def events(self) -> list[dict]:
        """Every event a Lambda got."""
        try:
            with open(os.path.join(self.folder, "events.jsonl")) as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def lambda_log(self, function: str) -> str:
        """The path of what a Lambda printed."""
        return os.path.join(self.folder, "logs", f"{function}.log")

    def triggers(self, sub: str) -> list[dict]:
        return [note["event"] for note in self.events() if note["event"].get("userName") == sub]

    def get(self, path: str, headers: dict | None = None, method: str = "GET") -> tuple[int, str]:
        """Status and body of a plain HTTP request."""
        url = path if path.startswith("http") else self.endpoint + path
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}, method=method),
                                        timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def cognito(self):
        return self.session.client("cognito-idp")

    def user(self, group: str = "user", permanent: bool = True) -> tuple[str, str]:
        """The e-mail address and sub of a new user."""
        email = f"{uuid.uuid4().hex}@example.com"
        pool = self.names["user_pool_id"]
        sub = self.cognito.admin_create_user(
            UserPoolId=pool, Username=email, TemporaryPassword=PASSWORD, MessageAction="SUPPRESS",
            UserAttributes=[{"Name": "email", "Value": email}])["User"]["Username"]
        self.cognito.admin_add_user_to_group(UserPoolId=pool, Username=email, GroupName=group)
        if permanent:
            self.cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
        return email, sub

    def sign_in(self, email: str, password: str = PASSWORD) -> dict:
        return self.cognito.initiate_auth(ClientId=self.names["client_id"], AuthFlow="USER_PASSWORD_AUTH",
                                          AuthParameters={"USERNAME": email, "PASSWORD": password})

    def tokens(self, email: str, password: str = PASSWORD) -> dict:
        return self.sign_in(email, password)["AuthenticationResult"]

    def refresh(self, refresh_token: str) -> dict:
        return self.cognito.initiate_auth(
            ClientId=self.names["client_id"], AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": refresh_token})["AuthenticationResult"]

    def answer(self, challenge: dict, **responses) -> dict:
        return self.cognito.respond_to_auth_challenge(
            ClientId=self.names["client_id"], ChallengeName=challenge["ChallengeName"],
            Session=challenge["Session"], ChallengeResponses=responses)

    def enrol_totp(self, email: str) -> str:
        """Enrol TOTP with the code of the step before, and return the secret."""
        token = self.tokens(email)["AccessToken"]
        secret = self.cognito.associate_software_token(AccessToken=token)["SecretCode"]
        self.cognito.verify_software_token(AccessToken=token, UserCode=code(secret, -1))
        self.cognito.set_user_mfa_preference(AccessToken=token,
                                             SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True})
        return secret


def code(secret: str, steps: int = 0) -> str:
    return users.totp_code(secret, time.time() + 30 * steps)


_shared: LocalAws | None = None


def shared() -> LocalAws:
    """One bootstrapped local AWS for every test that neither stops nor kills it."""
    global _shared
    if _shared is None:
        _shared = LocalAws()
        atexit.register(_shared.remove)
        _shared.start().bootstrap()
    return _shared


class SharedAwsTest(unittest.TestCase):
    """A test against the shared local AWS, as `self.aws`."""

    def setUp(self):
        self.aws = shared()
        self.aws.behave()

    def assert_refused(self, code: str, message: str, call, *arguments, **named):
        """`call` fails with this AWS error code, with `message` in its text."""
        from botocore.exceptions import ClientError
        with self.assertRaises(ClientError) as refusal:
            call(*arguments, **named)
        self.assertEqual(refusal.exception.response["Error"]["Code"], code)
        self.assertIn(message, refusal.exception.response["Error"]["Message"])
