"""Runs an ASGI application on a socket, as a room's main loop (uvicorn behind one file)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from postroom.net.port import ListeningSocket

# Requests in flight when the stop comes; the supervisor waits 2 s for an api worker.
GRACE_S = 1
# Proxies in front of us commonly keep idle connections for 60 s; we must not close first.
KEEP_ALIVE_S = 65
# RFC 9110 6.6.1: the Date header has the second.
DATE_S = 1.0


class _Server(uvicorn.Server):
    """Without uvicorn's ten looks a second at whether to end: the dearest part of idling."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Have `serve` take no new connection, finish and return."""
        self.should_exit = True
        self._ending.set()

    async def main_loop(self) -> None:
        """Until the end; the tick 0 writes the Date header anew, which has whole seconds."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(DATE_S):
                    await self._ending.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The worker has its own SIGTERM handler, which drains.
        yield


class HttpRunner:
    """Serves `application` on a listening socket."""

    def __init__(self, application: Any, sock: ListeningSocket) -> None:
        self._sock = sock
        self._server = _Server(
            uvicorn.Config(
                application,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Serve until drained."""
        try:
            await self._server.serve(sockets=[self._sock])
        finally:
            self._over.set()

    async def drain(self) -> None:
        """Take no new connection and let the running requests end."""
        self._server.end()
        await self._over.wait()
