"""A real SMTP server on a port that remembers what it got and misbehaves on demand."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Received:
    """One message as it was transmitted."""

    sender: str
    recipients: list[str]
    raw: bytes
    user: str | None = None


@dataclass
class SmtpSink:
    """Programme it before use: each list entry is spent on one command, then all is well again."""

    # Replies to MAIL FROM and at the end of DATA, in turn.
    mail_replies: deque[str] = field(default_factory=deque)
    data_replies: deque[str] = field(default_factory=deque)
    # Recipient -> reply, as long as it stands here.
    refused: dict[str, str] = field(default_factory=dict)
    # How many times the connection is dropped at the end of DATA, after the message was kept.
    drops_after_data: int = 0
    # Set to hold back the reply to DATA until it is set again.
    hold: asyncio.Event | None = None
    credentials: tuple[str, str] | None = None
    tls_context: ssl.SSLContext | None = None
    messages: list[Received] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _transports: list[asyncio.BaseTransport] = field(default_factory=list)

    async def start(self) -> SmtpSink:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        for transport in self._transports:
            transport.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        # aiosmtpd ends its own session tasks a turn of the loop after the close.
        for _ in range(5):
            await asyncio.sleep(0)

    def drop_connections(self) -> None:
        """Close every open connection from the server's side."""
        for transport in self._transports:
            transport.close()

    def _session(self) -> SMTP:
        self.connections += 1
        options: dict[str, Any] = {
            "hostname": "sink.test",
            "enable_SMTPUTF8": True,
            "authenticator": self._check,
        }
        if self.credentials is not None:
            options |= {"auth_required": True, "auth_require_tls": False}
        if self.tls_context is not None:
            options["tls_context"] = self.tls_context
        return _Session(self, **options)

    def _check(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        given = (data.login.decode(), data.password.decode())
        is_right = self.credentials in (None, given)
        return AuthResult(success=is_right, handled=False, auth_data=given[0])

    async def handle_MAIL(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_replies:
            return self.mail_replies.popleft()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data_replies:
            return self.data_replies.popleft()
        content = envelope.content
        assert isinstance(content, bytes)
        user = str(session.auth_data) if session.auth_data else None
        received = Received(envelope.mail_from or "", list(envelope.rcpt_tos), content, user)
        self.messages.append(received)
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.drops_after_data:
            self.drops_after_data -= 1
            server.transport.abort()
        return "250 2.0.0 Kept"


class _Session(SMTP):
    def __init__(self, sink: SmtpSink, **options: Any) -> None:
        super().__init__(sink, **options)
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sink._transports.append(transport)
        super().connection_made(transport)
