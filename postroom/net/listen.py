"""Listening ports: binding them, and giving every accepted connection to a task of its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from postroom.errors import ConfigurationError
from postroom.net.wire import Wire, WireEnded

# Connections that wait to be accepted while the process is busy; the kernel caps it (somaxconn).
BACKLOG = 1024

Serve = Callable[[Wire], Awaitable[None]]


class _Accepted(Wire):
    """A wire that reports itself when it is connected."""

    def __init__(self, accepted: Callable[[Wire], None]) -> None:
        super().__init__()
        self._accepted = accepted

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._accepted(self)


class Listener:
    """A listening port and the connections it accepted."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Start listening; port 0 takes a free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Accepted(self._accept), host, port, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _accept(self, wire: Wire) -> None:
        task = asyncio.get_running_loop().create_task(self._run(wire))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, wire: Wire) -> None:
        try:
            await self._serve(wire)
        except WireEnded:
            pass
        finally:
            wire.abort()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None


async def serve_protocol(
    factory: Callable[[], asyncio.Protocol], host: str, port: int
) -> asyncio.Server:
    """Listen with a library's own asyncio protocol; port 0 takes a free one."""
    return await asyncio.get_running_loop().create_server(factory, host, port)


def port_of(server: asyncio.Server) -> int:
    """The port that a server listens on."""
    return int(server.sockets[0].getsockname()[1])


def bind(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """A listening TCP socket; a shared one lets several workers take turns (SO_REUSEPORT).

    Raises ConfigurationError, naming host and port, when the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot(host, port, error) from error
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise _cannot(host, port, error) from error
    return opened


def ensure_free(host: str, port: int) -> None:
    """Raise ConfigurationError when something listens on the address already."""
    bind(host, port).close()


def _cannot(host: str, port: int, error: OSError) -> ConfigurationError:
    reason = error.strerror or str(error)
    return ConfigurationError(f"Cannot listen on {host} port {port}: {reason}")
