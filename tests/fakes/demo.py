"""The product's own small mail server, in a thread with a loop of its own.

It has what Dovecot and Cyrus together have: QRESYNC and NOTIFY and stable ids; and it can do what
neither can: give a mailbox a new UIDVALIDITY and its messages new UIDs, in one moment. As a Gmail
its mailboxes are labels, and all mail is in one.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from imaplib import IMAP4
from typing import Any, TypeVar

from postroom.demo.gmail import add_gmail_account
from postroom.demo.imapd import EXTENSIONS, ImapServer
from postroom.demo.mailstore import MailStore

USER = "person"
PASSWORD = "secret"
CALL_TIMEOUT_S = 20

T = TypeVar("T")


class Demo:
    """A running server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, is_gmail: bool) -> None:
        self._loop = loop
        self._mail = MailStore()
        self._is_gmail = is_gmail
        if is_gmail:
            add_gmail_account(self._mail, USER, PASSWORD)
        else:
            self._mail.add_account(USER, PASSWORD)
        self._server: ImapServer | None = None
        self.port = 0

    def start(self) -> None:
        also = [word for word in EXTENSIONS if self._is_gmail or word != "X-GM-EXT-1"]
        self._server = ImapServer(self._mail, port=self.port, also=also)
        self.port = self._await(self._server.start())

    def stop(self) -> None:
        if self._server is not None:
            self._await(self._server.stop())
        self._server = None

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
        words = flags.strip("()").split()
        self._call(lambda: self._mail.deliver(user, raw, mailbox, words))

    def change_uid_validity(self, user: str, mailbox: str) -> bool:
        """A greater UIDVALIDITY, and other UIDs; not as a Gmail, where copies belong together."""
        if self._is_gmail:
            return False
        self._call(lambda: self._mail.reset(user, mailbox))
        return True

    def _await(self, doing: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(CALL_TIMEOUT_S)

    def _call(self, do: Callable[[], object]) -> None:
        async def done() -> None:
            do()

        self._await(done())


@contextmanager
def running_demo(*, is_gmail: bool = False) -> Iterator[Demo]:
    """A started server, stopped at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = Demo(loop, is_gmail=is_gmail)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CALL_TIMEOUT_S)
        loop.close()
