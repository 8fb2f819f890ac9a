"""pymap in memory, on a free port: a server of another author, with other habits.

One user, `person`, whose password is `secret`. A restart forgets everything, UIDVALIDITY included,
as a server does whose disk was lost.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from imaplib import IMAP4

from tests.fakes.dovecot import end_family, free_port, greets

USER = "person"
PASSWORD = "secret"
START_TIMEOUT_S = 20


@dataclass(slots=True)
class Pymap:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until the greeting comes."""
        words = ("--host", "127.0.0.1", "--port", str(self.port), "--no-tls", "dict")
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from pymap.main import main; main()", *words,
             "--demo-user", USER, "--demo-password", PASSWORD],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        while not greets(self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("pymap did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            end_family(self.process)
        self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def client(self, user: str = USER) -> IMAP4:
        """An independent client, logged in."""
        client = IMAP4("127.0.0.1", self.port, timeout=20)
        client.login(user, PASSWORD)
        return client

    def deliver(self, user: str, raw: bytes, mailbox: str = "INBOX", flags: str = "") -> None:
        """Put a message into a mailbox."""
        client = self.client(user)
        status, reply = client.append(mailbox, flags, "", raw)
        assert status == "OK", reply
        client.logout()

    def change_uid_validity(self, user: str, mailbox: str) -> bool:
        """pymap has no tool for that: False."""
        return False


@contextmanager
def running_pymap() -> Iterator[Pymap]:
    """A started server, stopped at the end."""
    server = Pymap(free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
