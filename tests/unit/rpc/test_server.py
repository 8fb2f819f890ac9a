"""The two ends of a call over a real Unix socket: answers, streams, faults, endings."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.errors import (
    ConfigurationError,
    DeadlineExceeded,
    MessageNotFound,
    PostroomError,
    WorkerNotAvailable,
)
from postroom.model.operations import Download
from postroom.rpc.client import RpcClient
from postroom.rpc.server import RpcServer

CLOCK = SystemClock()
Answer = Callable[[str, str, bytes, Deadline], Awaitable[bytes | Download]]


def soon(seconds: float = 10.0) -> Deadline:
    return Deadline.after(CLOCK, seconds)


@asynccontextmanager
async def worker(answer: Answer) -> AsyncIterator[tuple[RpcClient, str]]:
    """A client and the address of a running server that answers with `answer`."""
    with tempfile.TemporaryDirectory(prefix="rpc-") as directory:
        path = f"{directory}/worker.sock"
        server, client = RpcServer(path, answer), RpcClient(CLOCK)
        await server.start()
        try:
            yield client, f"unix://{path}"
        finally:
            await client.close()
            await server.stop()


async def test_a_call_carries_account_name_body_and_remaining_time() -> None:
    seen = []

    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        seen.append((account, name, body, deadline.remaining_s()))
        return b'{"ok":true}'

    account = "k\u00f6ln/%41 \u2603\r\nX: y"
    async with worker(answer) as (client, address):
        reply = await client.ask(address, account, "list_messages", b"\x00\xff", soon(9))
    assert reply == b'{"ok":true}'
    assert seen[0][:3] == (account, "list_messages", b"\x00\xff")
    assert 0 < seen[0][3] <= 9


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_bodies_of_any_size_pass_unchanged_both_ways(size: int) -> None:
    async def echo(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        return body

    body = secrets.token_bytes(size)
    async with worker(echo) as (client, address):
        assert await client.ask(address, "a", "echo", body, soon()) == body


async def test_an_error_of_the_worker_is_raised_by_the_client() -> None:
    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        raise MessageNotFound("No such message", extra={"info": 1}, log={"uid": 7})

    async with worker(answer) as (client, address):
        with pytest.raises(MessageNotFound, match="No such message") as caught:
            await client.ask(address, "a", "get_message", b"", soon())
        with pytest.raises(MessageNotFound):
            await client.stream(address, "a", "download_source", b"", soon())
    assert caught.value.extra == {"info": 1}
    assert caught.value.log == {"uid": 7}


async def test_an_unforeseen_exception_shows_nothing_of_itself_and_the_server_lives_on() -> None:
    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        if name == "bad":
            raise ZeroDivisionError("canary")
        return b"1"

    async with worker(answer) as (client, address):
        with pytest.raises(PostroomError) as caught:
            await client.ask(address, "a", "bad", b"", soon())
        assert await client.ask(address, "a", "good", b"", soon()) == b"1"
    assert caught.value.http_status == 500
    assert "canary" not in repr((caught.value.text, caught.value.log, caught.value.extra))


async def test_a_deadline_ends_the_call_and_cancels_the_answer() -> None:
    cancelled = asyncio.Event()

    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    async with worker(answer) as (client, address):
        with pytest.raises(DeadlineExceeded):
            await client.ask(address, "a", "slow", b"", soon(0.05))
        async with asyncio.timeout(5):
            await cancelled.wait()


async def test_a_cancelled_caller_cancels_the_answer() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return b""

    async with worker(answer) as (client, address):
        call = asyncio.create_task(client.ask(address, "a", "slow", b"", soon(60)))
        await started.wait()
        call.cancel()
        async with asyncio.timeout(1):
            await cancelled.wait()


async def test_a_peer_that_is_not_there_is_not_available() -> None:
    client = RpcClient(CLOCK)
    for call in (client.ask, client.stream):
        with pytest.raises(WorkerNotAvailable):
            await call("unix:///nonexistent/worker.sock", "a", "x", b"", soon())
    await client.close()


async def test_a_peer_that_dies_during_the_call_is_not_available() -> None:
    with tempfile.TemporaryDirectory(prefix="rpc-") as directory:
        path = f"{directory}/w.sock"

        async def drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.transport.abort()

        server = await asyncio.start_unix_server(drop, path)
        client = RpcClient(CLOCK)
        with pytest.raises(WorkerNotAvailable):
            await client.ask(f"unix://{path}", "a", "x", b"", soon())
        await client.close()
        server.close()


async def test_a_restarted_worker_at_the_same_address_is_reached_again() -> None:
    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        return b"1"

    with tempfile.TemporaryDirectory(prefix="rpc-") as directory:
        path = f"{directory}/w.sock"
        client = RpcClient(CLOCK)
        for _ in range(3):
            server = RpcServer(path, answer)
            await server.start()
            assert await client.ask(f"unix://{path}", "a", "x", b"", soon()) == b"1"
            await server.stop()
            assert not Path(path).exists()
        with pytest.raises(WorkerNotAvailable):
            await client.ask(f"unix://{path}", "a", "x", b"", soon())
        await client.close()


@pytest.mark.parametrize("address", ["tcp://10.0.0.1:9", "unix://", "/run/x", ""])
async def test_another_kind_of_address_is_refused_clearly(address: str) -> None:
    client = RpcClient(CLOCK)
    with pytest.raises(ConfigurationError, match="unix:///path"):
        await client.ask(address, "a", "x", b"", soon())


def streaming(chunks: Callable[[], AsyncIterator[bytes]], **head: object) -> Answer:
    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> Download:
        fields = {"content_type": "text/plain", "filename": None, "size": None} | head
        return Download(chunks=chunks(), **fields)  # type: ignore[arg-type]  # test data

    return answer


async def test_a_stream_arrives_with_its_type_name_size_and_every_byte() -> None:
    sent = [secrets.token_bytes(n) for n in (1, 300_000, 5)]

    async def chunks() -> AsyncIterator[bytes]:
        yield b""
        for chunk in sent:
            yield chunk
            yield b""

    name = 'r\u00e9sum\u00e9 "1"\r\n.pdf'
    answer = streaming(chunks, content_type="application/pdf", filename=name, size=300_006)
    async with worker(answer) as (client, address):
        download = await client.stream(address, "a", "x", b"", soon())
        assert (download.content_type, download.filename, download.size) == (
            "application/pdf",
            name,
            300_006,
        )
        assert b"".join([chunk async for chunk in download.chunks]) == b"".join(sent)


async def read_all(client: RpcClient, address: str) -> None:
    download = await client.stream(address, "a", "x", b"", soon())
    async for _ in download.chunks:
        await asyncio.sleep(0)


@pytest.mark.parametrize("good_bytes", [0, 1, 1_000_000])
@pytest.mark.parametrize("error", [ValueError("x"), PostroomError("x"), TimeoutError()])
async def test_a_stream_that_fails_in_the_middle_is_never_a_short_body(
    good_bytes: int, error: Exception
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"x" * good_bytes
        raise error

    async with worker(streaming(chunks)) as (client, address):
        with pytest.raises(WorkerNotAvailable):
            await read_all(client, address)


@pytest.mark.parametrize("how", ["close", "forget", "cancel"])
async def test_a_reader_that_goes_away_stops_the_producer_within_a_second(how: str) -> None:
    closed = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
        finally:
            closed.set()

    async with worker(streaming(chunks)) as (client, address):
        download = await client.stream(address, "a", "x", b"", soon())
        await anext(download.chunks)
        if how == "close":
            await download.chunks.aclose()  # type: ignore[attr-defined]  # the client's own class
        elif how == "cancel":
            task = asyncio.create_task(read_all(client, address))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        del download
        async with asyncio.timeout(1):
            await closed.wait()


async def test_a_reader_that_goes_away_stops_a_producer_that_is_waiting() -> None:
    closed = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"x"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with worker(streaming(chunks)) as (client, address):
        download = await client.stream(address, "a", "x", b"", soon())
        await anext(download.chunks)
        await download.chunks.aclose()  # type: ignore[attr-defined]  # the client's own class
        async with asyncio.timeout(1):
            await closed.wait()


async def test_a_slow_reader_holds_the_producer_back() -> None:
    produced = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal produced
        for _ in range(500):
            produced += 100_000
            yield b"x" * 100_000

    async with worker(streaming(chunks)) as (client, address):
        download = await client.stream(address, "a", "x", b"", soon())
        await anext(download.chunks)
        before = -1
        while before != produced:
            before = produced
            for _ in range(200):
                await asyncio.sleep(0)
        assert produced < 20_000_000
        await download.chunks.aclose()  # type: ignore[attr-defined]  # the client's own class


async def test_stop_lets_a_running_call_end() -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        started.set()
        await go.wait()
        return b"done"

    with tempfile.TemporaryDirectory(prefix="rpc-") as directory:
        path = f"{directory}/w.sock"
        server, client = RpcServer(path, answer), RpcClient(CLOCK)
        await server.start()
        call = asyncio.create_task(client.ask(f"unix://{path}", "a", "x", b"", soon()))
        await started.wait()
        stopping = asyncio.create_task(server.stop())
        for _ in range(20):
            await asyncio.sleep(0)
        go.set()
        assert await call == b"done"
        await stopping
        await client.close()


async def test_a_call_without_its_remaining_time_is_refused() -> None:
    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        return b"never"

    with tempfile.TemporaryDirectory(prefix="rpc-") as directory:
        path = f"{directory}/w.sock"
        server = RpcServer(path, answer)
        await server.start()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"POST /x HTTP/1.1\r\nHost: w\r\nContent-Length: 0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()
        await server.stop()
