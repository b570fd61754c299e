"""Each image started as built: operate prepares a real database, the services serve from it."""

import base64
import contextlib
import http.server
import os
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import unittest
import zipfile

import image
from image import LAMBDAS, OUT, answer, free_port, run, started

AWS = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
TOKENS = {"CLOUDAPP_ISSUER": "https://issuer.example.com", "CLOUDAPP_JWKS_URL": "http://127.0.0.1:9/jwks.json",
          "CLOUDAPP_CLIENT_ID": "client"}
MACHINES = {
    "CLOUDAPP_INSTALLATION": "cloudapp", "CLOUDAPP_AWS_ACCOUNT_ID": "012345678901",
    "CLOUDAPP_BOOT_REPORT_URL": "https://services.example.com/api/boot-reports",
    "CLOUDAPP_SSH_CA_KEY_ID": "key", "CLOUDAPP_LOGIN_QUEUE_URL": "http://127.0.0.1:9/login",
    "CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL": "http://127.0.0.1:9/events", "CLOUDAPP_EVENTS_BUCKET": "events",
    "CLOUDAPP_ADMIN_TOPIC_ARN": "arn:aws:sns:eu-central-1:012345678901:admin"}
BACKENDS = {f"CLOUDAPP_{part}_URL": "http://127.0.0.1:9" for part in ("CONFIGURE", "PROVISION", "STATS", "GATEWAY")}
PAGES = {**BACKENDS, "CLOUDAPP_USER_POOL_ID": "eu-central-1_pool", "CLOUDAPP_PUBLIC_URL": "https://cloudapp.example.com",
         "CLOUDAPP_SESSION_KEY": base64.b64encode(bytes(range(64))).decode()}


def tearDownModule():
    image.remove_all()


def url(port, role=""):
    return f"postgres://{role + '@' if role else ''}127.0.0.1:{port}/cloudapp"


class Services(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.enterClassContext(cls.prepared())

    @classmethod
    @contextlib.contextmanager
    def prepared(cls):
        with image.postgres() as cls.database:
            cls.early = run("configure-instance", environment={
                **TOKENS, "CLOUDAPP_LISTEN": "127.0.0.1:0",
                "DATABASE_URL": f"postgres://postgres@127.0.0.1:{cls.database}/postgres"})
            cls.migrated = [run("operate", "migrate", environment={
                "DATABASE_URL": url(cls.database, "postgres"), "CLOUDAPP_DATABASE_ROLES": "unchanged"}) for _ in range(2)]
            yield

    def serves(self, name, environment):
        port = free_port()
        listen = {"CLOUDAPP_LISTEN": f"127.0.0.1:{port}"}
        with started(name, {**AWS, **TOKENS, **listen, **environment}) as process:
            self.assertEqual(answer(f"http://127.0.0.1:{port}/healthz", process=process), (200, "ok\n"))
            code, said = run("operate", "probe", f"http://localhost:{port}/readyz")
            self.assertEqual(code, 0, said)
            status, body = answer(f"http://127.0.0.1:{port}/api/nothing")
            self.assertEqual(status, 404, body)
            user = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            self.assertIn("\nUid:\t65532\t65532\t65532\t65532\n", user)
            self.assertNotIn(".so", pathlib.Path(f"/proc/{process.pid}/maps").read_text())

    def test_operate_prepares_the_database_and_does_it_again(self):
        for code, said in self.migrated:
            self.assertEqual(code, 0, said)
            self.assertEqual(said.count("the schema is up to date"), 3, said)

    def test_a_service_refuses_a_database_that_was_not_migrated_with_one_line(self):
        code, said = self.early
        self.assertEqual(code, 1)
        self.assertIn("run its migrations first", said)

    def test_configure_instance_serves(self):
        self.serves("configure-instance", {"DATABASE_URL": url(self.database, "configure")})

    def test_provision_instance_serves(self):
        self.serves("provision-instance", {**MACHINES, "DATABASE_URL": url(self.database, "provision")})

    def test_view_stats_serves(self):
        self.serves("view-stats", {})

    def test_web_serves(self):
        self.serves("web", PAGES)

    def test_login_poller_and_stop_ec2_wait_for_work(self):
        for name, more in (("login-poller", {}), ("stop-ec2", {"CLOUDAPP_INSTANCE_EVENTS_QUEUE_URL": "http://127.0.0.1:9/events"})):
            role = {"login-poller": "login", "stop-ec2": "stop_ec2"}[name]
            with self.subTest(name):
                waits_for_work(self, name, {**TOKENS, **more, "DATABASE_URL": url(self.database, role)})

    def test_a_missing_setting_is_named(self):
        code, said = run("provision-instance", environment={**AWS, **TOKENS})
        self.assertEqual(code, 2)
        self.assertIn("--boot-report-url", said)


def waits_for_work(test, name, environment):
    """Starts a Lambda's program as Lambda does, and waits until it asks for its first event."""
    asked = threading.Event()

    class Runtime(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            test.assertEqual(self.path, "/2018-06-01/runtime/invocation/next")
            asked.set()
            released.wait(30)
            self.close_connection = True

        def log_message(self, *_):
            pass

    released = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Runtime) as server, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with zipfile.ZipFile(OUT / f"{name}.zip") as archive:
            archive.extractall(folder)
        os.chmod(f"{folder}/bootstrap", 0o755)
        image.devices(folder)
        # Where Lambda's own root has them.
        certificates = pathlib.Path(folder, "etc/pki/tls/certs/ca-bundle.crt")
        certificates.parent.mkdir(parents=True)
        shutil.copy(image.image("operate").root / "etc/ssl/certs/ca-certificates.crt", certificates)
        runtime = {"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": name,
                   "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_VERSION": "1",
                   "AWS_LAMBDA_LOG_GROUP_NAME": "group", "AWS_LAMBDA_LOG_STREAM_NAME": "stream"}
        process = subprocess.Popen([image.CHROOT, folder, "/bootstrap"], env={**AWS, **runtime, **environment},
                                   stderr=subprocess.PIPE, text=True)
        try:
            asks = asked.wait(20)
            if not asks:
                process.kill()
                test.fail(f"{name} asked for nothing: {process.stderr.read()}")
        finally:
            released.set()
            process.kill()
            process.wait()
            process.stderr.close()
            server.shutdown()


class Functions(unittest.TestCase):
    def test_auth_waits_for_work(self):
        waits_for_work(self, "auth", {
            "CLOUDAPP_ADMIN_TOPIC_ARN": MACHINES["CLOUDAPP_ADMIN_TOPIC_ARN"], "CLOUDAPP_FIRST_SEEN_BUCKET": "first-seen"})

    def test_every_zip_is_looked_at(self):
        self.assertEqual(sorted(path.stem for path in OUT.glob("*.zip")), sorted(LAMBDAS))


class Surroundings(unittest.TestCase):
    """Static programs find names and trust certificates in a root that holds nothing."""

    @contextlib.contextmanager
    def https(self, folder):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=folder)

        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl("req", "-x509", *new_key, "-days", "1", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", *new_key, "-subj", "/CN=services.test", "-keyout", "key.pem", "-out", "request.pem")
        pathlib.Path(folder, "extensions").write_text("subjectAltName=DNS:services.test\nextendedKeyUsage=serverAuth\n")
        openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1",
                "-extfile", "extensions", "-out", "certificate.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")

        class Ok(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ok) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_port
            server.shutdown()

    @contextlib.contextmanager
    def names(self):
        """A name server that knows `services.test` alone."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.53", 53))
            server.settimeout(0.2)
            ended, asked = threading.Event(), []

            def serve():
                while not ended.is_set():
                    with contextlib.suppress(socket.timeout):
                        query, client = server.recvfrom(512)
                        question = query[12:query.index(b"\0", 12) + 5]
                        kind, = struct.unpack("!H", question[-4:-2])
                        known = question[:-4] == b"\x08services\x04test\0"
                        asked.append(question)
                        found = known and kind == 1
                        header = query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, int(found), 0, 0)
                        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1]) if found else b""
                        server.sendto(header + question + record, client)

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                yield asked
            finally:
                ended.set()
                thread.join()

    def test_names_are_found_and_servers_must_prove_themselves(self):
        bundle = image.image("operate").root / "etc/ssl/certs/ca-certificates.crt"
        self.assertGreater(bundle.read_text().count("BEGIN CERTIFICATE"), 100)
        with tempfile.TemporaryDirectory() as folder, self.https(folder) as port, self.names() as asked:
            url = f"https://services.test:{port}/"
            code, said = run("operate", "probe", "--within-seconds", "0", url)
            self.assertEqual(code, 1)
            self.assertRegex(said, "(?i)unknownissuer|certificate")
            self.assertTrue(asked)
            kept = bundle.with_suffix(".kept")
            shutil.copy(bundle, kept)
            os.chmod(bundle, 0o644)
            try:
                with bundle.open("a") as file:
                    file.write(pathlib.Path(f"{folder}/ca.pem").read_text())
                code, said = run("operate", "probe", "--within-seconds", "0", url)
                self.assertEqual(code, 0, said)
            finally:
                shutil.move(kept, bundle)
            code, said = run("operate", "probe", "--within-seconds", "0", f"https://elsewhere.test:{port}/")
            self.assertEqual(code, 1)


if __name__ == "__main__":
    unittest.main()
