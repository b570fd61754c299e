"""No process left behind: `local_aws/lambda_processes.py` and `--exit-with-parent`."""

import os
import unittest

from tests.support import LocalAws, until


def lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@unittest.skipUnless(os.path.isdir("/proc/self"), "reads the process table of Linux")
class Processes(unittest.TestCase):
    def setUp(self):
        self.aws = LocalAws().start("--exit-with-parent").bootstrap()
        self.addCleanup(self.aws.remove)
        self.aws.tokens(self.aws.user()[0])
        self.aws.tokens(self.aws.user()[0])
        pids = {note["pid"] for note in self.aws.events()}
        self.assertEqual(len(pids), 1, "a warm Lambda is used again, so its starting thread's end did not kill it")
        self.pid = pids.pop()
        self.assertTrue(lives(self.pid))

    def test_a_kill_takes_the_lambdas_along(self):
        self.aws.kill()
        until(lambda: not lives(self.pid))

    def test_a_clean_stop_ends_the_lambdas(self):
        self.aws.stop()
        self.assertEqual(self.aws.process.returncode, 0)
        self.assertFalse(lives(self.pid))

    def test_the_end_of_the_parent_is_a_clean_stop(self):
        self.aws.process.stdin.close()
        self.assertEqual(self.aws.process.wait(timeout=15), 0)
        self.assertFalse(lives(self.pid))
