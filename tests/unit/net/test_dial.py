"""Dialling on the event loop that the workers run on."""

from __future__ import annotations

import asyncio

import uvloop

from postroom.clock import Deadline, SystemClock
from postroom.net.dial import Endpoint, dial


async def _dialled() -> bytes:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        deadline = Deadline.after(SystemClock(), 10)
        wire = await dial(Endpoint("127.0.0.1", port), deadline=deadline)
        await wire.wait_readable()
        raw = await wire.read()
        wire.abort()
        return raw
    finally:
        server.close()


def test_a_server_is_reached_on_uvloop() -> None:
    # uvloop knows fewer arguments of create_connection than asyncio does.
    assert uvloop.run(_dialled()) == b"hello"
