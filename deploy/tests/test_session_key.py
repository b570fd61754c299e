"""deploy/rotate-session-key: a new key in front, the old ones behind it, none of them in an argument."""

import base64
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[1]
WEB = {"session_key_secret_arn": "arn:aws:secretsmanager:eu-west-1:1:secret:cloudapp/web/session-key-abc",
       "cluster": "cloudapp", "service": "cloudapp-web"}
# `terraform output` and the AWS CLI, as far as the script uses them; the secret is a file.
DOUBLE = """#!/usr/bin/env python3
import os, pathlib, sys
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
secret = pathlib.Path(os.environ["SECRET"])
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join([name, *arguments, str(os.environ.get("AWS_REGION"))]) + "\\n")
if name == "terraform":
    print(os.environ["WEB"])
elif "get-secret-value" in arguments:
    print(secret.read_text())
elif "put-secret-value" in arguments:
    secret.write_text(pathlib.Path(arguments[-1].removeprefix("file://")).read_text())
"""


class Rotation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.secret, self.calls = self.folder / "secret", self.folder / "calls"
        for name in ("terraform", "aws"):
            (self.folder / name).write_text(DOUBLE)
            (self.folder / name).chmod(0o755)

    def rotate(self, *arguments):
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "SECRET": str(self.secret),
                       "CALLS": str(self.calls), "WEB": json.dumps(WEB)}
        environment.pop("AWS_REGION", None)
        subprocess.run([DEPLOY / "rotate-session-key", "root", *arguments], env=environment, check=True,
                       capture_output=True, timeout=60)
        return self.secret.read_text().split(",")

    def test_a_new_key_seals_and_the_old_one_still_opens(self):
        self.secret.write_text("b2xk")
        new, old = self.rotate()
        self.assertEqual(old, "b2xk")
        self.assertEqual(len(base64.b64decode(new, validate=True)), 64)
        calls = self.calls.read_text()
        self.assertNotIn(new, calls)
        self.assertNotIn("b2xk", calls)
        self.assertIn("aws ecs update-service --cluster cloudapp --service cloudapp-web --force-new-deployment eu-west-1", calls)

    def test_keys_do_not_pile_up_and_can_be_forgotten(self):
        self.secret.write_text("one,two,three")
        keys = self.rotate()
        self.assertEqual(keys[1:], ["one", "two"])
        self.assertEqual(self.rotate("--forget"), keys[:1])


if __name__ == "__main__":
    unittest.main()
