"""Serving: the block begins when the program answers, and when it is over the program is, too."""

import sys
import tempfile
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from cloudapp_checks.ports import free_port
from cloudapp_checks.serving import NotServing, serving


class Serving(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = Path(folder.name) / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/"

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return True
        except urllib.error.URLError:
            return False

    def test_it_answers_in_the_block_and_no_longer(self):
        program = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(self.port)]
        with self.assertRaises(KeyError), serving(program, self.url, self.log, cwd=self.log.parent):
            self.assertTrue(self.answers())
            raise KeyError("whatever the block comes to")
        self.assertFalse(self.answers())

    def test_what_ends_before_it_answers_is_shown(self):
        with self.assertRaisesRegex(NotServing, "no such thing"):
            with serving([sys.executable, "-c", "raise SystemExit('no such thing')"], self.url, self.log):
                self.fail("the block began")


if __name__ == "__main__":
    unittest.main()
