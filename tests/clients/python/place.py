"""Where the server is, and what every suite begins with."""

import os
import pathlib
import signal
import time
import unittest

import redis

PORT = int(os.environ["CLIENTS_PORT"])
TLS_PORT = int(os.environ["CLIENTS_TLS_PORT"])
CERTIFICATES = pathlib.Path(os.environ["CLIENTS_CERTIFICATES"])
URL = f"redis://127.0.0.1:{PORT}/0"
# Longer than anything that is waited for takes.
PATIENCE_S = 30


def client(**options):
    return redis.Redis(**{"host": "127.0.0.1", "port": PORT, "decode_responses": True, "socket_timeout": PATIENCE_S,
                          **options})


def wait_until(holds, what):
    """Waits for a condition that another connection or process brings about."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"it did not happen: {what}")
        time.sleep(0.01)


def kill_server(connection):
    """Kills the server; the driver starts it again."""
    os.kill(connection.info("server")["process_id"], signal.SIGKILL)


class Case(unittest.TestCase):
    """Begins with an empty server."""

    protocol = 3

    def setUp(self):
        self.r = client(protocol=self.protocol)
        self.r.flushall()
        self.r.function_flush()
        self.addCleanup(self.r.close)

    def is_at_least(self, *version):
        """Whether the server answers at least this level of Redis."""
        return tuple(map(int, self.r.info("server")["redis_version"].split("."))) >= version
