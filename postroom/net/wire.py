"""One connection as bytes: a small asyncio protocol that the reader pulls from.

Data waits here until somebody reads; beyond `MOST_UNREAD_BYTES` the socket is left alone, so that a
peer that pushes faster than we parse is slowed down by TCP. Unlike the streams of the standard
library it notices a lost connection while nobody reads, and survives the switches to TLS and to
compression.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import cast

from postroom.net.deflate import Deflated
from postroom.net.encryption import Encryption

# Some 100,000 FETCH lines are 5 MB; half a megabyte keeps the socket busy while we parse.
MOST_UNREAD_BYTES = 512 * 1024


class WireEnded(Exception):
    """The connection is gone; `cause` is the socket's error, or None for an orderly end."""

    def __init__(self, cause: Exception | None) -> None:
        super().__init__("the connection ended")
        self.cause = cause


class Wire(asyncio.Protocol):
    """The bytes of one connection.

    Thousands of them lie idle in a process: an asyncio.Event for each thing that can be waited for
    would cost more than all the rest, so there is one list of waiters, which look for themselves.
    """

    __slots__ = (
        "_cause",
        "_chunks",
        "_deflated",
        "_encryption",
        "_is_gone",
        "_is_paused",
        "_is_writable",
        "_transport",
        "_unread",
        "_waiters",
        "is_ended",
    )

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._chunks: list[bytes] = []
        self._unread = 0
        self._is_paused = False
        self._cause: Exception | None = None
        self._deflated: Deflated | None = None
        self._encryption: Encryption | None = None
        self.is_ended = False
        self._is_writable = True
        self._is_gone = False
        self._waiters: tuple[asyncio.Future[None], ...] = ()

    @property
    def unread_bytes(self) -> int:
        """Bytes received and not read."""
        return self._unread

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS protects it: our own as a client, the loop's on a listener."""
        if self._encryption is not None:
            return self._encryption.is_ready
        return self._transport is not None and bool(self._transport.get_extra_info("ssl_object"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._encryption is not None:
            self._decrypt(self._encryption, data)
        else:
            self._came(data)

    def _decrypt(self, encryption: Encryption, data: bytes) -> None:
        try:
            plain = encryption.receive(data)
        except ssl.SSLError as error:
            # The peer is told why, if it still listens.
            self._flush(encryption)
            self._end(error)
            if self._transport is not None:
                self._transport.close()
            return
        self._flush(encryption)
        if plain:
            self._came(plain)
        if encryption.is_over:
            self._end(None)
        self.nudge()

    def _flush(self, encryption: Encryption) -> None:
        outgoing = encryption.outgoing()
        # uvloop raises for a transport that is closed already.
        if outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(outgoing)

    def _came(self, data: bytes) -> None:
        self._chunks.append(data)
        self._unread += len(data)
        self.nudge()
        if self._unread > MOST_UNREAD_BYTES and not self._is_paused and self._transport:
            self._is_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_gone = True
        self._end(exc)

    def pause_writing(self) -> None:
        self._is_writable = False

    def resume_writing(self) -> None:
        self._is_writable = True
        self.nudge()

    def _end(self, cause: Exception | None) -> None:
        if not self.is_ended:
            self.is_ended = True
            self._cause = cause
        self.nudge()

    def nudge(self) -> None:
        """Have everybody who waits look again."""
        waiters, self._waiters = self._waiters, ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters = (*self._waiters, waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:
                    self._waiters = tuple(one for one in self._waiters if one is not waiter)

    @property
    def is_readable(self) -> bool:
        """Whether `read` returns or raises at once."""
        if self._deflated is not None and self._deflated.has_more:
            return True
        return bool(self._chunks) or self.is_ended

    async def wait_readable(self, is_over: Callable[[], bool] = lambda: False) -> None:
        """Wait until there is something to read, or the end; cancelling this loses nothing.

        Ends as well when `is_over` says so, which is asked at each `nudge`.
        """
        await self._until(lambda: self.is_readable or is_over())

    async def read(self) -> bytes:
        """Everything that has come, at least one byte; raises WireEnded at the end.

        Of a compressed connection it is the next step, which may be nothing yet.
        """
        if not self.is_readable:
            await self.wait_readable()
        if self._deflated is not None:
            return self._inflated(self._deflated)
        if not self._chunks:
            raise WireEnded(self._cause)
        return self._take()

    def _inflated(self, deflated: Deflated) -> bytes:
        if not self._chunks and not deflated.has_more:
            raise WireEnded(self._cause)
        # A full step leaves compressed bytes behind: no more are taken in before they are used up.
        data = b"" if deflated.has_more else self._take()
        try:
            plain = deflated.inflate(data)
        except ValueError as error:
            self.abort()
            raise WireEnded(error) from error
        return plain

    def _take(self) -> bytes:
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._unread = 0
        if not self.is_ended:
            self._resume()
        return data

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()

    async def write(self, data: bytes) -> None:
        """Send; waits while the peer does not take it. Raises WireEnded."""
        if self.is_ended or self._transport is None:
            raise WireEnded(self._cause)
        if self._deflated is not None:
            data = self._deflated.deflate(data)
        if self._encryption is None:
            self._transport.write(data)
        else:
            self._encryption.send(data)
            self._flush(self._encryption)
        if not self._is_writable:
            await self._until(lambda: self._is_writable or self.is_ended)

    def start_deflate(self, pending: bytes) -> None:
        """Go on compressed, both ways; `pending` are bytes of the stream that were read already."""
        self._deflated = Deflated()
        if pending:
            self._chunks.insert(0, pending)
            self._unread += len(pending)
            self.nudge()

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Go on with TLS over the same connection. Raises WireEnded, or ValueError for a name."""
        if self.is_ended or self._transport is None:
            raise WireEnded(self._cause)
        encryption = self._encryption = Encryption(context, server_name)
        encryption.shake_hands()
        self._flush(encryption)
        await self._until(lambda: encryption.is_ready or self.is_ended)
        if not encryption.is_ready:
            raise WireEnded(self._cause)

    def abort(self) -> None:
        """End at once."""
        self._end(None)
        if self._transport is not None:
            self._transport.abort()

    async def close(self, at_most_s: float) -> None:
        """End in order if the peer plays along, at once if not."""
        self._end(None)
        if self._transport is None:
            return
        if self._encryption is not None and self._encryption.is_ready:
            with contextlib.suppress(ssl.SSLError):
                self._encryption.say_goodbye()
            self._flush(self._encryption)
        self._transport.close()
        try:
            async with asyncio.timeout(at_most_s):
                await self._until(lambda: self._is_gone)
        except TimeoutError:
            pass
        finally:
            # Too late, or cancelled: a peer that takes nothing must not keep the socket.
            if not self._is_gone:
                self._transport.abort()
