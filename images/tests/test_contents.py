"""What is in the images and zips, and what is not."""

import hashlib
import json
import pathlib
import stat
import struct
import unittest
import zipfile

from image import IMAGES, LAMBDAS, OUT, USER, image

# Bytes, unpacked.
LARGEST_IMAGE = {"configure-instance": 30e6, "operate": 40e6, "provision-instance": 45e6, "view-stats": 25e6, "web": 30e6}
LARGEST_ZIP = 5_000_000


def program_headers(binary):
    """The types of an ELF file's segments (64 bits, little end first)."""
    assert binary[:6] == b"\x7fELF\x02\x01", "not a 64-bit ELF file"
    offset, = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    return [struct.unpack_from("<I", binary, offset + index * size)[0] for index in range(count)]


PT_INTERP = 3


class Contents(unittest.TestCase):
    def test_an_image_holds_its_program_certificates_and_components_and_nothing_else(self):
        for name in IMAGES:
            with self.subTest(name):
                files = {member.name.removeprefix("./"): member for member in image(name).members if not member.isdir()}
                self.assertEqual(set(files), {
                    "cloudapp", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt", "sbom.cdx.json"})
                for member in image(name).members:
                    self.assertEqual((member.uid, member.gid), (0, 0), member.name)
                    self.assertFalse(member.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH), member.name)
                self.assertEqual(len({member.mtime for member in image(name).members}), 1, "one time for all")

    def test_it_runs_as_nobody_and_says_how(self):
        for name in IMAGES:
            with self.subTest(name):
                config = image(name).config
                self.assertEqual(config["os"], "linux")
                self.assertIn(config["architecture"], ("amd64", "arm64"))
                self.assertEqual(config["config"]["User"], f"{USER}:{USER}")
                self.assertEqual(config["config"]["Entrypoint"], ["/cloudapp"])
                self.assertEqual(list(config["config"]["ExposedPorts"]), ["8080/tcp"])
                environment = {entry.split("=")[0] for entry in config["config"].get("Env", [])}
                self.assertLessEqual(environment, {"PATH"})
                self.assertEqual(config["config"]["Labels"]["org.opencontainers.image.title"], f"cloudapp-{name}")

    def test_programs_need_no_library(self):
        for name in IMAGES:
            with self.subTest(name):
                self.assertNotIn(PT_INTERP, program_headers((image(name).root / "cloudapp").read_bytes()))
        for name in LAMBDAS:
            with self.subTest(name), zipfile.ZipFile(OUT / f"{name}.zip") as archive:
                self.assertNotIn(PT_INTERP, program_headers(archive.read("bootstrap")))

    def test_they_are_small(self):
        for name in IMAGES:
            with self.subTest(name):
                self.assertLess(image(name).size, LARGEST_IMAGE[name])
        for name in LAMBDAS:
            with self.subTest(name):
                self.assertLess((OUT / f"{name}.zip").stat().st_size, LARGEST_ZIP)

    def test_a_zip_holds_one_program(self):
        for name in LAMBDAS:
            with self.subTest(name), zipfile.ZipFile(OUT / f"{name}.zip") as archive:
                [entry] = archive.infolist()
                self.assertEqual(entry.filename, "bootstrap")
                self.assertEqual(entry.external_attr >> 16, 0o100755)
                self.assertIsNone(archive.testzip())

    def test_each_list_of_components_is_of_its_program(self):
        for name in (*IMAGES, *LAMBDAS):
            with self.subTest(name):
                text = (OUT / f"sbom/{name}.cdx.json").read_text()
                bom = json.loads(text)
                self.assertEqual((bom["bomFormat"], bom["metadata"]["component"]["name"]), ("CycloneDX", f"cloudapp-{name}"))
                names = {component["name"] for component in bom["components"]}
                self.assertLessEqual({"tokio", "serde", "cloudapp-domain"}, names)
                self.assertEqual("aws-sdk-ec2" in names, name in ("operate", "provision-instance", "stop-ec2"))
                self.assertNotIn("thirtyfour", names, "what only tests use is not shipped")
                for component in bom["components"]:
                    self.assertTrue(component.get("purl"), component["name"])
                if name in IMAGES:
                    shipped = (image(name).root / "sbom.cdx.json").read_bytes()
                    self.assertEqual(hashlib.sha256(shipped).digest(), hashlib.sha256(text.encode()).digest())

    def test_no_path_of_the_machine_that_built_is_anywhere(self):
        checkout = str(pathlib.Path(__file__).resolve().parents[2]) + "/"
        for name in (*IMAGES, *LAMBDAS):
            with self.subTest(name):
                program = (OUT / f"programs/cloudapp-{name}").read_bytes()
                # Cargo's home and target folder wherever they were: under sudo nobody can tell.
                for path in (checkout, "/.cargo/", "registry/src/", "/target-images/", "/build/aws-lc"):
                    self.assertEqual(program.count(path.encode()), 0, path)
                self.assertNotIn(checkout, (OUT / f"sbom/{name}.cdx.json").read_text())

    def test_the_programs_are_those_whose_digests_are_told(self):
        told = dict(reversed(line.split()) for line in (OUT / "programs.sha256").read_text().splitlines())
        self.assertEqual(set(told), {f"cloudapp-{name}" for name in (*IMAGES, *LAMBDAS)})
        for name in IMAGES:
            shipped = (image(name).root / "cloudapp").read_bytes()
            self.assertEqual(hashlib.sha256(shipped).hexdigest(), told[f"cloudapp-{name}"])
        for name in LAMBDAS:
            with zipfile.ZipFile(OUT / f"{name}.zip") as archive:
                shipped = archive.read("bootstrap")
            self.assertEqual(hashlib.sha256(shipped).hexdigest(), told[f"cloudapp-{name}"])


if __name__ == "__main__":
    unittest.main()
