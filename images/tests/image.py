"""An image as it was built: unpacked from its OCI archive, and started in its own root."""

import contextlib
import functools
import hashlib
import json
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request

OUT = pathlib.Path(os.environ["CLOUDAPP_IMAGES"])
IMAGES = ("configure-instance", "operate", "provision-instance", "view-stats", "web")
LAMBDAS = ("auth", "login-poller", "stop-ec2")
USER = 65532
# By its path: the programs are started with no PATH.
CHROOT = shutil.which("chroot")


def devices(root):
    """The devices that every runtime gives."""
    folder = pathlib.Path(root, "dev")
    folder.mkdir()
    for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
        os.mknod(folder / name, stat.S_IFCHR, os.makedev(1, minor))
        (folder / name).chmod(0o666)


class Image:
    """What an OCI archive holds."""

    def __init__(self, name):
        archive = OUT / f"{name}.oci.tar"
        if not archive.exists():
            raise RuntimeError(f"{archive} is missing: run images/build first")
        self.root = pathlib.Path(tempfile.mkdtemp(prefix=f"cloudapp-{name}-"))
        with tarfile.open(archive) as tar:
            def blob(digest):
                algorithm, value = digest.split(":")
                data = tar.extractfile(f"blobs/{algorithm}/{value}").read()
                assert hashlib.sha256(data).hexdigest() == value
                return data
            index = json.load(tar.extractfile("index.json"))
            [entry] = index["manifests"]
            self.digest = entry["digest"]
            manifest = json.loads(blob(self.digest))
            self.config = json.loads(blob(manifest["config"]["digest"]))
            self.members = []
            for layer in manifest["layers"]:
                path = self.root.with_suffix(".layer")
                path.write_bytes(blob(layer["digest"]))
                with tarfile.open(path) as files:
                    self.members += files.getmembers()
                    files.extractall(self.root, filter="tar")
                path.unlink()
        self.root.chmod(0o755)
        self.size = sum(member.size for member in self.members)
        # A runtime gives these; an image has none.
        (self.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.root / "etc/resolv.conf").write_text("nameserver 127.0.0.53\n")
        devices(self.root)

    def command(self, *arguments):
        """The image's program, as its user, in its root."""
        return [CHROOT, f"--userspec={USER}:{USER}", str(self.root), *self.config["config"]["Entrypoint"], *arguments]


@functools.cache
def image(name):
    """The image with this name, unpacked once."""
    return Image(name)


def remove_all():
    """Removes what was unpacked."""
    for name in IMAGES:
        with contextlib.suppress(RuntimeError):
            shutil.rmtree(image(name).root)


def run(name, *arguments, environment=None, seconds=60):
    """Runs an image to its end: exit code, and all it said."""
    ran = subprocess.run(image(name).command(*arguments), env=environment or {}, capture_output=True, text=True,
                         timeout=seconds, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def started(name, environment, command=None):
    """Starts an image; ends it by SIGTERM as Kubernetes does, and demands that it then ends well and soon."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command or image(name).command(), env=environment, stdout=log, stderr=log)
        try:
            yield process
            assert process.poll() is None, "it ended by itself"
            process.terminate()
            code = process.wait(timeout=30)
            assert code == 0, f"it ended with {code}"
        except BaseException:
            process.kill()
            process.wait()
            log.seek(0)
            print(f"--- {name} said:\n{log.read()[-4000:]}")
            raise


def answer(url, within=30, process=None):
    """Asks until there is an answer: its status and its body."""
    end = time.monotonic() + within
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            if time.monotonic() > end or (process and process.poll() is not None):
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def postgres():
    """A throw-away PostgreSQL; yields its port. Anybody on this machine is its superuser `postgres` for that time."""
    binaries = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = tempfile.mkdtemp(prefix="cloudapp-postgres-")
    shutil.chown(folder, "postgres", "postgres")
    data, port = f"{folder}/data", free_port()
    server = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "env", "-C", folder]
    try:
        subprocess.run([*server, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
                       check=True, capture_output=True)
        process = subprocess.Popen(
            [*server, binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 30
            while True:
                ready = subprocess.run([binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)], check=False,
                                       capture_output=True)
                if ready.returncode == 0:
                    break
                assert time.monotonic() < end, "PostgreSQL does not start"
                time.sleep(0.1)
            yield port
        finally:
            process.send_signal(2)
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
