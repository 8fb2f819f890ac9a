"""Listens on a port and gives every connection to a task of its own; the listener owns them all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from postroom.net.wire import Wire, WireEnded

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
