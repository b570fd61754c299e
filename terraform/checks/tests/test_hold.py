"""Holding: the file is complete when it is announced, and one signal ends it."""

import json
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKS = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys
from pathlib import Path
from cloudapp_checks.hold import hold
hold(Path(sys.argv[1]), {"endpoint": "http://emulator", "outputs": {"api_url": "http://api"}})
print("torn down")
"""


class Hold(unittest.TestCase):
    def test_either_signal_ends_it_and_what_comes_after_still_runs(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number), tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "held.json"
                program = subprocess.Popen(
                    [sys.executable, "-c", PROGRAM, str(file)], cwd=CHECKS, stdout=subprocess.PIPE, text=True
                )
                self.addCleanup(program.kill)
                self.assertIn(str(file), program.stdout.readline())
                self.assertEqual(
                    json.loads(file.read_text()), {"endpoint": "http://emulator", "outputs": {"api_url": "http://api"}}
                )
                program.send_signal(number)
                out, _ = program.communicate(timeout=20)
                self.assertEqual((program.returncode, out), (0, "torn down\n"))


if __name__ == "__main__":
    unittest.main()
