"""The wire between a socket and whoever reads: waiting, ending, and cancelling while waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from postroom.net.wire import Wire, WireEnded


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[Wire, asyncio.StreamWriter]]:
    """A wire and the server's end of it."""
    accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set_result(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", port)
    peer = await accepted
    try:
        yield wire, peer
    finally:
        await wire.close(1)
        peer.close()
        server.close()


async def test_a_cancelled_wait_loses_nothing_and_leaves_nobody_waiting() -> None:
    async with connected() as (wire, peer):
        waiting = asyncio.create_task(wire.wait_readable())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        peer.write(b"* OK\r\n")
        assert await wire.read() == b"* OK\r\n"
        assert wire._waiters == ()


async def test_whoever_waits_hears_of_the_end() -> None:
    async with connected() as (wire, peer):
        reading = asyncio.create_task(wire.read())
        await asyncio.sleep(0)
        peer.close()
        with pytest.raises(WireEnded):
            await reading
        assert wire.is_ended
        assert wire.is_readable


async def test_a_nudge_ends_a_wait_that_is_over_for_another_reason() -> None:
    async with connected() as (wire, _):
        is_over = False
        waiting = asyncio.create_task(wire.wait_readable(lambda: is_over))
        await asyncio.sleep(0)
        wire.nudge()
        await asyncio.sleep(0)
        assert not waiting.done()
        is_over = True
        wire.nudge()
        await waiting
        assert not wire.is_readable


async def test_a_peer_that_takes_nothing_holds_up_the_writer_until_it_goes_on() -> None:
    async with connected() as (wire, peer):
        peer.transport.pause_reading()
        wire.pause_writing()
        writing = asyncio.create_task(wire.write(b"a NOOP\r\n"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not writing.done()
        wire.resume_writing()
        await writing


async def test_closing_that_is_cancelled_keeps_no_socket() -> None:
    async with connected() as (wire, peer):
        peer.transport.pause_reading()  # type: ignore[attr-defined]
        # More than the system's buffers take: an orderly end would wait for the peer.
        writing = asyncio.create_task(wire.write(b"x" * 64 * 1024 * 1024))
        await asyncio.sleep(0)
        closing = asyncio.create_task(wire.close(600))
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        async with asyncio.timeout(10):
            await asyncio.wait([writing])
            while not wire._is_gone:
                await asyncio.sleep(0.01)
