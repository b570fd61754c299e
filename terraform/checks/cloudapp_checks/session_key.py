"""The session key, made by the real provider: it gets into the secret, and neither into a plan nor into the state.

    python -m cloudapp_checks.session_key        (terraform/checks/test sets everything up)

Mocks know no ephemeral resources, so that a stand-in for Secrets Manager on loopback makes the password here. It knows the
calls that the provider makes, and nothing of what AWS would refuse.
"""

import base64
import json
import secrets
import shutil
import string
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .copied import TERRAFORM
from .terraform import Terraform, environment
from .verdict import verdict

KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"
ROOT = f"""
provider "aws" {{
  max_retries                 = 2
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}}

module "session_key" {{
  source = "./session-key"

  context              = {{ name = "cloudapp", partition = "aws", account_id = "123456789012", region = "eu-west-1" }}
  key_arn              = "{KEY}"
  recovery_window_days = 30
}}
"""


class SecretsManager:
    """One secret and every password that was ever made; its address is `endpoint` while the block runs."""

    def __init__(self) -> None:
        self.passwords: list[str] = []
        self.secret: dict = {}
        self.kept: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            """A call, by the name in its header."""

            def do_POST(self):  # noqa: N802  (http.server's name)
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
                call = self.headers["X-Amz-Target"].removeprefix("secretsmanager.")
                answer = service.answer(call, request)
                body = json.dumps(answer or {"__type": "InvalidRequestException", "Message": f"no {call} here"}).encode()
                self.send_response(200 if answer else 400)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nothing: Terraform says what went wrong."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, call: str, request: dict) -> dict | None:
        """What Secrets Manager would say, or nothing for a call that it does not get here."""
        if call == "GetRandomPassword":
            letters = string.ascii_letters + string.digits + ("" if request.get("ExcludePunctuation") else "/+")
            self.passwords.append("".join(secrets.choice(letters) for _ in range(request.get("PasswordLength", 32))))
            return {"RandomPassword": self.passwords[-1]}
        if call == "CreateSecret":
            self.secret = {"ARN": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf", **request}
        known = {"ARN": self.secret.get("ARN"), "Name": self.secret.get("Name")}
        if call == "PutSecretValue":
            self.kept.append(request["SecretString"])
        version = {"VersionId": f"version-{len(self.kept):032}", "VersionStages": ["AWSCURRENT"]}
        return {
            "CreateSecret": known,
            "DescribeSecret": {**known, "Description": self.secret.get("Description"), "KmsKeyId": self.secret.get("KmsKeyId")},
            "GetResourcePolicy": known,
            "PutSecretValue": {**known, **version},
            "GetSecretValue": {**known, **version, "SecretString": self.kept[-1] if self.kept else ""},
        }.get(call)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that Terraform left, plans unpacked."""
    files: dict[str, bytes] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if name.startswith((".terraform/", "session-key/")) or not path.is_file():
            continue
        files[name] = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                files |= {f"{name}/{part}": packed.read(part) for part in packed.namelist()}
    return files


def found(module: Path) -> list[str]:
    """What is wrong with the module."""
    wrong = []
    with tempfile.TemporaryDirectory() as work, SecretsManager() as manager:
        folder = Path(work) / "root"
        folder.mkdir()
        (folder / "main.tf").write_text(ROOT)
        shutil.copytree(module, folder / "session-key")
        shutil.copy(TERRAFORM / ".terraform.lock.hcl", folder)
        terraform = Terraform(folder, environment(manager.endpoint), Path(work) / "log")
        terraform.run("init", "-lockfile=readonly", seconds=300)
        said = terraform.run("plan", "-out=it.tfplan", seconds=600)[1]
        said += terraform.run("apply", "it.tfplan", seconds=600)[1]
        code, again = terraform.run("plan", "-detailed-exitcode", seconds=600, accept=(0, 2))
        files = {**contents(folder), "what Terraform says": (said + again).encode()}
        if "terraform.tfstate" not in files or "it.tfplan/tfplan" not in files:
            wrong.append(f"neither a plan nor a state to look into: {sorted(files)}")
        for password in manager.passwords:
            forms = {password.encode(), base64.b64encode(password.encode())}
            wrong += [f"a password is in {name}" for name, text in files.items() if any(form in text for form in forms)]
        kept = [base64.b64decode(one).decode() for one in manager.kept]
        if [len(one) for one in kept] != [64]:
            wrong.append(f"the secret got keys of {[len(one) for one in kept]} letters, not one of 64")
        if not set(kept) <= set(manager.passwords):
            wrong.append("what was kept is no password that was made")
        if manager.secret.get("KmsKeyId") != KEY:
            wrong.append(f"the secret is encrypted with {manager.secret.get('KmsKeyId')}")
        if code:
            wrong.append(f"every plan makes another key:\n{again}")
    return sorted(set(wrong))


if __name__ == "__main__":
    module = TERRAFORM / "modules" / "session-key"
    verdict(lambda: found(module), "the session key is in the secret, and neither in a plan nor in the state")
