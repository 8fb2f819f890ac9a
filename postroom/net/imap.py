"""Drives the sans-IO IMAP client over a socket.

One command runs at a time; others wait their turn in order. A command that does not end - because
its caller was cancelled, ran out of time, or the peer sent nonsense - leaves a dialogue that nobody
can pick up again, so the connection is closed then and there (invariant I4). A refused command
leaves it as it was. `idle` is a command, too: it holds the turn until it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from postroom.clock import Clock, Deadline
from postroom.errors import ConnectFailed, ConnectionClosing, DeadlineExceeded
from postroom.imap.client import ImapClient
from postroom.imap.commands.authenticate import Authenticate
from postroom.imap.commands.capability import Capability
from postroom.imap.commands.compress import Compress
from postroom.imap.commands.exchange import Command
from postroom.imap.commands.idle import Idle
from postroom.imap.commands.login import Login
from postroom.imap.commands.logout import Logout
from postroom.imap.commands.starttls import StartTls
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.types import Bye, Unsolicited
from postroom.model.account import Credentials, ImapServer
from postroom.model.secret import Secret
from postroom.net.bell import Bell
from postroom.net.dial import Endpoint, dial, upgrade
from postroom.net.faults import connect_failed
from postroom.net.imap_login import log_in, masked
from postroom.net.road import Road
from postroom.net.tls import TlsFloor
from postroom.net.transcript import Transcript
from postroom.net.wire import Wire, WireEnded

R = TypeVar("R")
OnUnsolicited = Callable[[Unsolicited], None]

TLS_PORT = 993
PLAIN_PORT = 143
# A server answers IDLE and DONE at once or is gone; 30 s covers a slow link.
IDLE_ANSWER_S = 30.0
# What TLS may take to say good-bye before the socket is dropped.
CLOSE_S = 1.0
_WITH_CREDENTIALS = (Login, Authenticate)
# A server that has said BYE and stays is not waited for until the deadline.
AFTER_BYE_S = 1.0
# An IDLE is renewed this much before the connection would count as silent for too long.
RENEWED_EARLY = 0.8


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a connection beside the server's own options."""

    floor: TlsFloor = TlsFloor()
    road: Road = Road()
    # EENGINE_IMAP_SOCKET_TIMEOUT: a server that says nothing for so long, though it was asked, is
    # given up.
    silence_s: float | None = None
    transcripts: tuple[Transcript, ...] = ()


class ImapConnection:
    """One open IMAP connection."""

    def __init__(
        self,
        wire: Wire,
        endpoint: Endpoint,
        clock: Clock,
        on_unsolicited: OnUnsolicited | None = None,
        terms: Terms = Terms(),
    ) -> None:
        self._wire = wire
        self._terms = terms
        self._endpoint = endpoint
        self._clock = clock
        self._client = ImapClient()
        self._turn = asyncio.Lock()
        # The command under way carries credentials.
        self._is_secret = False
        # What was logged in with: servers have repeated it in their good-bye (invariant I26).
        self._secret: Secret | None = None
        self.on_unsolicited = on_unsolicited

    @classmethod
    async def open(
        cls,
        server: ImapServer,
        *,
        clock: Clock,
        deadline: Deadline,
        verify: bool = True,
        terms: Terms = Terms(),
        on_unsolicited: OnUnsolicited | None = None,
    ) -> ImapConnection:
        """Connect, with TLS or STARTTLS as far as the server has it; raises ConnectFailed."""
        endpoint = Endpoint(
            server.host or "",
            server.port or (TLS_PORT if server.secure else PLAIN_PORT),
            server.secure,
            server.tls,
            verify,
            terms.floor,
            terms.road,
        )
        wire = await dial(endpoint, deadline=deadline)
        connection = cls(wire, endpoint, clock, on_unsolicited, terms)
        connection._note(f"connected to {endpoint.host}:{endpoint.port}")
        is_ready = False
        try:
            async with connection.setting_up():
                await connection._begin(deadline)
            is_ready = True
        finally:
            if not is_ready:
                connection._wire.abort()
        return connection

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server offers, in upper case."""
        return self._client.capabilities

    @property
    def enabled(self) -> frozenset[str]:
        """What was switched on by ENABLE."""
        return self._client.enabled

    @property
    def offered(self) -> Offered:
        return self._client.offered

    @property
    def is_open(self) -> bool:
        return not self._wire.is_ended

    @property
    def is_encrypted(self) -> bool:
        return self._wire.is_encrypted

    def has(self, name: str) -> bool:
        """Whether the server offers an extension, by name or as a part of IMAP4rev2."""
        return self._client.offered.has(name)

    async def login(self, credentials: Credentials, deadline: Deadline) -> None:
        """Log in; AuthenticationRefused when the server says so, else ConnectFailed (I5)."""
        greeting = self._client.greeting
        told = self._client.capabilities_told
        self._secret = credentials.access_token or credentials.password
        async with self.setting_up():
            if greeting is None or greeting.status != "PREAUTH":
                await log_in(self.run, self.offered, credentials, deadline)
            if self._client.capabilities_told == told:
                await self.run(Capability(), deadline)

    async def compress(self, deadline: Deadline) -> None:
        """Go on compressed (RFC 4978); raises ImapRefused, and the connection stays as it was."""
        async with self._holding_the_turn(deadline):
            self._start(Compress())
            async with self._whole():
                await self._pump(deadline.remaining_s())
            self._client.result()
            self._wire.start_deflate(self._client.take_pending())
            self._client.begin_compressed()
            self._note("compressed from here on")

    async def run(self, command: Command[R], deadline: Deadline) -> R:
        """The result of a command; raises ImapRefused, DeadlineExceeded, ConnectionClosing."""
        async with self._holding_the_turn(deadline):
            self._start(command)
            async with self._whole():
                await self._pump(deadline.remaining_s())
            result: R = self._client.result()
            return result

    async def idle(self, wake: Bell, at_most_s: float) -> None:
        """IDLE until `wake` is set, the time is over, or the server has told news."""
        async with self._holding_the_turn(None):
            self._start(Idle())
            async with self._whole():
                is_quiet = not await self._pump(IDLE_ANSWER_S, until_idling=True)
                if is_quiet and self._client.is_idling:
                    await self._listen(wake, self._renewed(at_most_s))
                self._client.stop_idle()
                await self._pump(IDLE_ANSWER_S)
            self._client.result()

    def _renewed(self, at_most_s: float) -> float:
        # A mailbox where nothing happens is no dead connection: asking again tells them apart.
        silence_s = self._terms.silence_s
        return at_most_s if silence_s is None else min(at_most_s, silence_s * RENEWED_EARLY)

    async def logout(self, deadline: Deadline) -> None:
        """Say good-bye and close; a server that does not answer is left."""
        try:
            await self.run(Logout(), deadline)
        except (ImapRefused, ConnectionClosing, DeadlineExceeded, ProtocolViolation):
            pass
        finally:
            await self.close()

    async def close(self) -> None:
        """Close; never raises, may be called again."""
        if self.is_open:
            self._note("closed by us")
        await self._wire.close(CLOSE_S)

    async def _begin(self, deadline: Deadline) -> None:
        """Hear the greeting, switch to TLS where it is offered, learn the capabilities."""
        async with self._whole(), asyncio.timeout(deadline.remaining_s()):
            while self._client.greeting is None:
                self._take(await self._wire.read())
        if self._client.greeting.status == "BYE":
            raise WireEnded(None)
        if not self.capabilities:
            await self.run(Capability(), deadline)
        # After PREAUTH there is no STARTTLS any more (RFC 9051 6.2.1).
        is_plain = not self._endpoint.secure and self._client.greeting.status == "OK"
        if is_plain and self.has("STARTTLS"):
            await self._start_tls(deadline)

    async def _start_tls(self, deadline: Deadline) -> None:
        await self.run(StartTls(), deadline)
        if self._wire.unread_bytes:
            raise ProtocolViolation("The mail server sent more in the clear after STARTTLS")
        self._client.begin_tls()
        await upgrade(self._wire, self._endpoint, deadline=deadline)
        self._note("encrypted from here on")
        await self.run(Capability(), deadline)

    async def _pump(self, at_most_s: float, *, until_idling: bool = False) -> bool:
        """Send and receive until the command has ended (or IDLE has begun); whether news came."""
        client, is_news = self._client, False
        async with asyncio.timeout(at_most_s):
            while client.is_busy and not (until_idling and client.is_idling):
                outgoing = client.outgoing()
                if outgoing:
                    if self._terms.transcripts:
                        self._tell_sent(outgoing)
                    await self._wire.write(outgoing)
                is_news = self._take(await self._read()) or is_news
        return is_news

    async def _read(self) -> bytes:
        """What the server says next, within the time that it may be silent for."""
        if self._client.bye is not None:
            return await self._read_the_end()
        if self._terms.silence_s is None:
            return await self._wire.read()
        async with asyncio.timeout(self._terms.silence_s):
            return await self._wire.read()

    async def _read_the_end(self) -> bytes:
        """After BYE only the answer to LOGOUT may come, and the end (RFC 9051 7.1.5)."""
        try:
            async with asyncio.timeout(AFTER_BYE_S):
                return await self._wire.read()
        except TimeoutError:
            raise WireEnded(None) from None

    async def _listen(self, wake: Bell, at_most_s: float) -> None:
        """Wait for news, for `wake`, or for the end of the time."""
        wire = self._wire
        try:
            with wake.heard_by(wire.nudge):
                async with asyncio.timeout(at_most_s):
                    while self._client.is_idling and not wake.is_set():
                        await wire.wait_readable(wake.is_set)
                        if wire.is_readable and self._take(await wire.read()):
                            return
        except TimeoutError:
            pass

    def _start(self, command: Command[Any]) -> None:
        self._client.begin(command)
        if self._terms.transcripts:
            self._is_secret = isinstance(command, _WITH_CREDENTIALS)

    def _tell_sent(self, data: bytes) -> None:
        for transcript in self._terms.transcripts:
            transcript.sent(data, is_secret=self._is_secret)

    def _tell_received(self, data: bytes) -> None:
        for transcript in self._terms.transcripts:
            transcript.received(data)

    def _note(self, text: str) -> None:
        for transcript in self._terms.transcripts:
            transcript.noted(text)

    def _take(self, data: bytes) -> bool:
        """Hand bytes to the client and its news to whoever listens; whether there were any."""
        if self._terms.transcripts:
            self._tell_received(data)
        news = self._client.receive(data)
        if self.on_unsolicited is not None:
            for value in news:
                self.on_unsolicited(self._told(value))
        return bool(news)

    @asynccontextmanager
    async def _holding_the_turn(self, deadline: Deadline | None) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(deadline.remaining_s() if deadline else None):
                await self._turn.acquire()
        except TimeoutError:
            raise DeadlineExceeded("Timeout: the connection was busy") from None
        try:
            if not self.is_open:
                raise self._closing()
            yield
        finally:
            self._turn.release()

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[None]:
        """What happens inside happens wholly, or the connection is closed."""
        is_whole = False
        try:
            yield
            is_whole = True
        except TimeoutError:
            raise DeadlineExceeded("Timeout: the mail server did not answer in time") from None
        except WireEnded as ended:
            raise self._closing(ended.cause) from ended
        finally:
            if not is_whole:
                self._note(self._bye or "broken off")
                self._wire.abort()

    @property
    def _bye(self) -> str | None:
        """What the server said as good-bye, without what we logged in with."""
        told = self._client.bye
        return None if told is None else self._masked(told)

    def _told(self, news: Unsolicited) -> Unsolicited:
        return Bye(self._masked(news.text)) if isinstance(news, Bye) else news

    def _masked(self, text: str) -> str:
        return masked(text, self._secret)

    def _closing(self, cause: Exception | None = None) -> ConnectionClosing:
        text = self._bye or "The mail server closed the connection"
        return ConnectionClosing(text, log={"cause": type(cause).__name__ if cause else None})

    @asynccontextmanager
    async def setting_up(self) -> AsyncIterator[None]:
        """While a connection is being made, every failure is one of connecting (I5)."""
        try:
            yield
        except DeadlineExceeded as late:
            raise self._failed(TimeoutError()) from late
        except (ConnectionClosing, WireEnded) as ended:
            if self._bye:
                raise ConnectFailed(self._bye, code="ECONNRESET") from ended
            raise self._failed(getattr(ended.__cause__, "cause", None)) from ended
        except (ProtocolViolation, ImapRefused) as fault:
            raise ConnectFailed(
                self._masked(fault.text), code=fault.public_code or "EPROTOCOL"
            ) from fault

    def _failed(self, error: Exception | None) -> ConnectFailed:
        return connect_failed(error, self._endpoint.host, self._endpoint.port)
