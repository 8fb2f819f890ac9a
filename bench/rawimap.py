"""IMAP by hand over a plain socket: what the mail server itself takes for the same question.

Nothing is parsed, so the difference to the product's figure is what the product costs.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.fakes.dovecot import PASSWORD

READ_BYTES = 256 * 1024


class RawImap:
    """One logged-in connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, command: str) -> bytes:
        """Everything that the server says up to the end of the command."""
        self._writer.write(f"a {command}\r\n".encode())
        said = b""
        last = b""
        while not (last.startswith(b"a ") and said.endswith(b"\r\n")):
            piece = await self._reader.read(READ_BYTES)
            assert piece, "the server closed the connection"
            said += piece
            last = said[:-2].rpartition(b"\r\n")[2]
        assert last.startswith(b"a OK"), last
        return said

    async def timed(self, command: str) -> float:
        """Seconds from the question to the end of the answer."""
        began = time.perf_counter()
        await self.ask(command)
        return time.perf_counter() - began

    async def begin_idle(self) -> None:
        """IDLE as far as the server's word that it listens."""
        self._writer.write(b"a IDLE\r\n")
        assert (await self._reader.readline()).startswith(b"+")

    async def idle(self, arrivals: list[float]) -> None:
        """IDLE until cancelled; the time of each EXISTS goes to `arrivals`."""
        self._writer.write(b"a IDLE\r\n")
        while line := await self._reader.readline():
            if line.endswith(b" EXISTS\r\n"):
                arrivals.append(time.perf_counter())


@asynccontextmanager
async def raw_login(
    port: int, user: str, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawImap]:
    """A connection that is logged in."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=READ_BYTES, ssl=tls)
    try:
        await reader.readline()
        raw = RawImap(reader, writer)
        await raw.ask(f"LOGIN {user} {PASSWORD}")
        yield raw
    finally:
        writer.close()


@asynccontextmanager
async def raw_imap(port: int, user: str, mailbox: str = "INBOX") -> AsyncIterator[RawImap]:
    """A connection with a mailbox selected."""
    async with raw_login(port, user) as raw:
        await raw.ask(f"SELECT {mailbox}")
        yield raw
