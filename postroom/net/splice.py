"""Two transports that feed each other, so that an encrypted stream looks like a plain socket.

A proxy reached by TLS (`https`) needs TLS to the proxy outside and the mail server's own TLS
inside. The inner side - python-socks, aiosmtplib, our own wire - wants a socket: it gets one end of
a socket pair, whose other end is spliced to the TLS transport. Each side stops reading while the
other cannot write, and the end of either is the end of both.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import cast


class _Half(asyncio.Protocol):
    def __init__(self) -> None:
        self.other: _Half | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.other is None:
            # Nobody to hand bytes to yet.
            self.transport.pause_reading()

    def join(self, other: _Half) -> None:
        self.other = other

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


async def secured(
    connected: socket.socket, context: ssl.SSLContext, server_name: str
) -> socket.socket:
    """A socket whose bytes travel by TLS over `connected`, which belongs to it from now on."""
    loop = asyncio.get_running_loop()
    outer, inner = _Half(), _Half()
    await loop.create_connection(
        lambda: outer, sock=connected, ssl=context, server_hostname=server_name
    )
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    try:
        await loop.create_connection(lambda: inner, sock=far)
    except BaseException:
        near.close()
        far.close()
        if outer.transport is not None:
            outer.transport.abort()
        raise
    outer.join(inner)
    inner.join(outer)
    for half in (outer, inner):
        if half.transport is not None:
            half.transport.resume_reading()
    return near
