"""A real PostgreSQL where Terraform made an Aurora cluster that no emulator serves.

Its administrator is the one in the secret that Terraform made. As with Aurora, there is a role `rds_iam`, roles sign in
over TLS only, and the certificate proves the server. What cannot be had is RDS's look at the IAM token that the programs
sign: the roles are let in without one.
"""

import contextlib
import datetime
import ipaddress
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ..ports import free_port
from .expect import NotSo, eventually
from .processes import Processes

# Who runs the server when we are root: PostgreSQL refuses to.
UNPRIVILEGED = ("postgres", "nobody")
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
ssl = on
fsync = off
log_timezone = 'UTC'
"""
ENTRIES = """
hostssl all {administrator} 127.0.0.1/32 scram-sha-256
hostssl all +rds_iam 127.0.0.1/32 trust
"""


def _binaries() -> Path:
    """The folder with `postgres` and `initdb`."""
    named = os.environ.get("CLOUDAPP_POSTGRES_BIN")
    found = shutil.which("postgres")
    folders = [Path(named)] if named else [Path(found).resolve().parent] if found else []
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(versions, key=lambda folder: float(folder.parent.name), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotSo("PostgreSQL is needed and not there: apt-get install postgresql, or set CLOUDAPP_POSTGRES_BIN")


def _account() -> dict:
    """Options of a process that runs as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise NotSo("PostgreSQL refuses to run as root, and there is neither `postgres` nor `nobody` to run it")


def _certificate() -> tuple[bytes, bytes]:
    """A key and a certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


class Database:
    """A server that ends with the processes, and whose folder ends with the `with` block."""

    def __init__(self, administrator: str, password: str):
        self.administrator = administrator
        self.password = password
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="cloudapp-postgres-"))
        self.root = self.folder / "root.pem"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, processes: Processes) -> None:
        """Makes the cluster and starts its server."""
        account, binaries, data = _account(), _binaries(), self.folder / "data"
        if account:
            os.chown(self.folder, account["user"], account["group"])
        key, certificate = _certificate()
        self._write(self.root, certificate, account)
        secret = self.folder / "password"
        self._write(secret, self.password.encode(), account)
        initdb = [binaries / "initdb", "--pgdata", data, "--username", self.administrator, "--pwfile", secret]
        self._run([*initdb, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"], account)
        secret.unlink()
        self._run([binaries / "postgres", "--single", "-D", data, "postgres"], account, b"create role rds_iam nologin\n")
        self._write(data / "server.key", key, account)
        self._write(data / "server.crt", certificate, account)
        self._write(data / "pg_hba.conf", ENTRIES.format(administrator=self.administrator).encode(), account)
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(f"{SETTINGS}port = {self.port}\n")
        processes.start("postgres", [binaries / "postgres", "-D", data], {}, cwd="/", **account)
        ready = "database system is ready to accept connections"
        eventually("PostgreSQL accepts connections", lambda: ready in processes.tail("postgres"))

    def url(self, of_terraform: str) -> str:
        """The URL that Terraform gives a program, leading here and trusting our certificate."""
        parts = urlsplit(of_terraform)
        user = f"{parts.username}@" if parts.username else ""
        return urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}", query=f"sslrootcert={self.root}"))

    def _write(self, file: Path, content: bytes, account: dict) -> None:
        file.write_bytes(content)
        file.chmod(0o600 if file != self.root else 0o644)
        if account:
            os.chown(file, account["user"], account["group"])

    def _run(self, command: list, account: dict, said: bytes = b"") -> None:
        done = subprocess.run(
            [str(word) for word in command], input=said, capture_output=True, cwd="/", timeout=120, check=False, **account
        )
        if done.returncode != 0:
            raise NotSo(f"{Path(command[0]).name} failed:\n{(done.stderr or done.stdout).decode()[-2000:]}")
