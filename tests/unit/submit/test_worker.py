"""The worker's loop, with real wake-ups and the real clock."""

from __future__ import annotations

import asyncio

from postroom.clock import Deadline, SystemClock
from postroom.crypto import Sealer
from postroom.model.message import Address
from postroom.store.outbox import Outbox
from postroom.store.settings import Settings
from postroom.store.wake import Wake
from postroom.submit.accept import Submissions
from postroom.submit.message import SubmitMessage
from postroom.submit.worker import SubmitRunner
from tests.unit.submit.conftest import ME, Bench


def runner_for(bench: Bench, wake: Wake, concurrency: int = 4) -> SubmitRunner:
    clock = SystemClock()
    return SubmitRunner(
        store=bench.store,
        outbox=Outbox(bench.store, clock),
        accounts=bench.accounts,
        gateway=bench.mailbox,
        wake=wake,
        clock=clock,
        sending=bench.sending,
        concurrency=concurrency,
        worker_id="n1-submit-x",
    )


async def submit(bench: Bench, count: int) -> None:
    clock = SystemClock()
    settings = Settings(bench.store, Sealer(None), clock)
    outbox = Outbox(bench.store, clock)
    door = Submissions(outbox, bench.accounts, settings, bench.mailbox, clock)
    for number in range(count):
        message = SubmitMessage(to=(Address(address="you@example.org"),), subject=str(number))
        await door.accept(ME, message, Deadline.after(clock, 5))


async def until(condition, at_most_s: float = 20) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(at_most_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_running_worker_delivers_what_is_submitted_and_drains(bench: Bench) -> None:
    wake = Wake(bench.store, SystemClock())
    ears = asyncio.create_task(wake.run())
    runner = runner_for(bench, wake)
    running = asyncio.create_task(runner.run())
    await submit(bench, 10)
    await until(lambda: len(bench.mailbox.sent) == 10)
    await runner.drain()
    await running
    ears.cancel()
    await asyncio.gather(ears, return_exceptions=True)
    subjects = {raw.raw.split(b"Subject: ")[1].split(b"\r\n")[0] for raw in bench.sink.messages}
    assert subjects == {str(number).encode() for number in range(10)}
    assert (await bench.outbox.list()).total == 0


async def test_drain_waits_for_the_message_at_hand(bench: Bench) -> None:
    bench.sink.hold = asyncio.Event()
    wake = Wake(bench.store, SystemClock())
    runner = runner_for(bench, wake)
    await submit(bench, 1)
    running = asyncio.create_task(runner.run())
    await bench.sink.arrived.wait()
    draining = asyncio.create_task(runner.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    assert not await bench.outbox.delete((await bench.outbox.list()).items[0].record.queue_id)
    bench.sink.hold.set()
    await draining
    await running
    assert await bench.event_names() == ["messageSent"]


async def test_a_paused_queue_delivers_nothing_until_it_is_resumed(bench: Bench) -> None:
    key = bench.store.keys.shared("queues-paused")
    await bench.store.command("SADD", key, "submit")
    wake = Wake(bench.store, SystemClock())
    runner = runner_for(bench, wake)
    await submit(bench, 1)
    running = asyncio.create_task(runner.run())
    await asyncio.sleep(0.05)
    assert bench.sink.messages == []
    await bench.store.command("SREM", key, "submit")
    await until(lambda: bench.sink.messages)
    await runner.drain()
    await running


async def test_a_crashing_message_does_not_stop_the_others(bench: Bench) -> None:
    await submit(bench, 2)
    broken = (await bench.outbox.list()).items[0].record.queue_id
    key = bench.store.keys.of(ME, f"outbox:{broken}")
    await bench.store.command("HSET", key, "record", "{broken")
    wake = Wake(bench.store, SystemClock())
    runner = runner_for(bench, wake, concurrency=1)
    running = asyncio.create_task(runner.run())
    await until(lambda: len(bench.sink.messages) == 1)
    await runner.drain()
    await running
