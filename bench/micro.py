"""The two mechanisms under everything, alone: a call to a worker, and the leased schedule."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.figures import report, spread
from postroom.clock import Deadline, SystemClock
from postroom.queue.schedule import Schedule
from postroom.rpc.client import RpcClient
from postroom.rpc.server import RpcServer
from postroom.store.connection import Store
from postroom.supervisor.embedded_redis import answers, binary
from tests.integration.product import eventually

CALLS = 2000
# About what a listing of 20 messages is.
ANSWER = b"x" * 8192
ITEMS = 3000
QUEUE_CONCURRENCY = (1, 8, 32)
PARTITION = 3
LEASE_MS = 60_000


async def bench_rpc() -> None:
    """A call over the Unix socket with an answer of 8 KB, both ends in this process."""
    clock = SystemClock()

    async def answer(account: str, name: str, body: bytes, deadline: Deadline) -> bytes:
        return ANSWER

    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/worker.sock"
        server, client = RpcServer(path, answer, clock), RpcClient(clock)
        await server.start()
        took = []
        try:
            for _ in range(CALLS):
                deadline = Deadline.after(clock, 10)
                began = time.perf_counter()
                await client.ask(f"unix://{path}", "account", "list_messages", b"{}", deadline)
                took.append(time.perf_counter() - began)
        finally:
            await client.close()
            await server.stop()
    report("rpc", calls=CALLS, answer_bytes=len(ANSWER), **spread(took))


async def bench_queue() -> None:
    """Items claimed and given back per second: two scripts each, on the embedded store."""
    async with _running_store() as url:
        for concurrency in QUEUE_CONCURRENCY:
            store = Store(url)
            try:
                await _queue(store, concurrency)
            finally:
                await store.close()


async def _queue(store: Store, concurrency: int) -> None:
    clock = SystemClock()
    queue = Schedule(store, clock, "bench", LEASE_MS, holder="bench")
    now = clock.now_ms()
    key = queue.schedule_key(PARTITION)
    await store.command("DEL", key, queue.leases_key(PARTITION))
    await store.batch([("ZADD", key, now, f"{number}") for number in range(ITEMS)])

    async def work() -> None:
        while (claim := await queue.claim(PARTITION, 1)).items:
            await queue.release(claim.items[0], now + LEASE_MS)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    seconds = time.perf_counter() - began
    report(f"queue_{concurrency}", items=ITEMS, claimed_and_released_per_s=ITEMS / seconds)


@asynccontextmanager
async def _running_store() -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        socket = Path(directory) / "store.sock"
        words = ["--port", "0", "--unixsocket", str(socket), "--dir", directory]
        process = subprocess.Popen(
            [str(binary()), *words, "--appendonly", "yes", "--save", ""], stdout=subprocess.DEVNULL
        )
        url = f"unix://{socket}"
        try:
            await eventually(lambda: answers(url))
            yield url
        finally:
            process.terminate()
            process.wait(5)
