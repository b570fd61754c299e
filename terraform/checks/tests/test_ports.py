"""Ports: one after the other, past those that are taken, and none that an outgoing connection could have."""

import socket
import tempfile
import unittest
from pathlib import Path

from cloudapp_checks.ports import after_the_last, below, free_port


class Ports(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.record = Path(folder.name) / "last"

    def test_a_port_comes_again_after_all_others_and_a_taken_one_does_not(self):
        with socket.create_server(("127.0.0.1", free_port())) as held:
            taken = held.getsockname()[1]
            ports = range(taken, taken + 3)
            asked = [after_the_last(self.record, ports) for _ in range(4)]
            self.assertNotIn(taken, asked)
            self.assertEqual((asked[0], asked[1]), (asked[2], asked[3]))
            self.assertNotEqual(asked[0], asked[1])
            with self.assertRaisesRegex(OSError, "every port is taken"):
                after_the_last(self.record, range(taken, taken + 1))

    def test_the_record_is_the_one_that_the_crate_writes(self):
        self.record.write_text("20004\n")
        ports = range(20_000, 20_010)
        port = after_the_last(self.record, ports)
        self.assertIn(port, ports)
        self.assertEqual(self.record.read_text(), f"{port}\n")

    def test_outgoing_connections_are_kept_out_where_there_is_room_below_them(self):
        self.assertEqual(below("32768\t60999\n"), range(20_000, 32_768))
        self.assertEqual(below("25000 60999"), range(20_000, 25_000))
        self.assertEqual(below("1024 65535"), range(20_000, 32_768))
        self.assertEqual(below(None), range(20_000, 32_768))


if __name__ == "__main__":
    unittest.main()
