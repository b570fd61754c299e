"""Packing the same programs twice gives the same bytes. (Compiling them twice, `images/reproduce`, takes as long as a build.)"""

import hashlib
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest

from image import OUT

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def packed(folder):
    """What one run makes: the digest of each image's manifest, and of each other file."""
    shutil.copytree(OUT / "programs", pathlib.Path(folder, "programs"))
    build = [REPOSITORY / "images/build", "--only", "packages", "--out", folder]
    done = subprocess.run(build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"images/build failed:\n{done.stdout}")
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.name.endswith(".oci.tar"):
            with tarfile.open(path) as archive:
                [manifest] = json.load(archive.extractfile("index.json"))["manifests"]
                found[path.name] = manifest["digest"]
        elif path.is_file():
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


class Reproducible(unittest.TestCase):
    def test_two_runs_make_the_same(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            first = packed(one)
            self.assertGreater(len(first), 16)
            self.assertEqual(packed(two), first)


if __name__ == "__main__":
    unittest.main()
