"""The whole worker with its wake-ups, on the real clock, store and network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from postroom.clock import SystemClock
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.webhooks.worker import WebhooksRunner
from tests.fakes.webhook_receiver import Received, webhook_receiver
from tests.unit.webhooks.house import House, new

CLOCK = SystemClock()


@asynccontextmanager
async def running(
    store: Store, count: int = 1
) -> AsyncIterator[tuple[House, list[WebhooksRunner]]]:
    """`count` workers at work, drained at the end."""
    houses = [House(store, CLOCK) for _ in range(count)]
    runners = [
        WebhooksRunner(
            store=store,
            accounts=house.accounts,
            settings=house.settings,
            wake=house.wake,
            clock=CLOCK,
            http=house.http,
            worker_id=f"w{number}",
            timeout_s=10,
        )
        for number, house in enumerate(houses)
    ]
    ears = [asyncio.create_task(house.wake.run()) for house in houses]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield houses[0], runners
    finally:
        await asyncio.gather(*[runner.drain() for runner in runners])
        await asyncio.gather(*tasks)
        for ear in ears:
            ear.cancel()
        await asyncio.wait(ears)
        for house in houses:
            await house.close()


async def test_events_arrive_in_order_per_account_with_two_workers_and_a_shaky_receiver(
    store: Store,
) -> None:
    async with webhook_receiver() as receiver, running(store, 2) as (house, _):
        await house.set_up(receiver.url)
        names = [f"a{n}" for n in range(8)]
        for name in names:
            await house.register(name)
        ids: dict[str, list[str]] = {name: [] for name in names}
        for number in range(10):
            for name in names:
                ids[name] += await house.emit(name, new(number))
        await receiver.wait_for(80)
        for name in names:
            got = [one.event_id for one in receiver.received if one.json["account"] == name]
            assert got == ids[name]


async def test_a_slow_receiver_delays_no_other_one(store: Store) -> None:
    never = asyncio.Event()

    async def silent(_: Received) -> int:
        await never.wait()
        return 200

    async with webhook_receiver() as slow, webhook_receiver() as fast:
        slow.reply = silent
        async with running(store) as (house, _):
            await house.set_up(slow.url)
            for number in range(30):
                await house.register(f"slow{number}")
            await house.register("fast", fast.url)
            for number in range(30):
                await house.emit_new(f"slow{number}", 1)
            await slow.wait_for(1)
            await house.emit_new("fast", 5)
            await fast.wait_for(5)
            assert len(slow.received) == 1
            never.set()


async def test_drain_lets_the_attempt_under_way_end_and_gives_the_lane_back(store: Store) -> None:
    go = asyncio.Event()

    async def slow(_: Received) -> int:
        await go.wait()
        return 200

    async with webhook_receiver() as receiver:
        receiver.reply = slow
        async with running(store) as (house, runners):
            await house.set_up(receiver.url)
            await house.register("a")
            ids = await house.emit_new("a", 3)
            await receiver.wait_for(1)
            draining = asyncio.create_task(runners[0].drain())
            await asyncio.sleep(0)
            go.set()
            await draining
        assert [one.event_id for one in receiver.received] == ids[:1]
        assert await house.waiting("a") == 2
        claim = await house.schedule.claim(partition_of("a"), 1)
        assert [one.was_stalled for one in claim.items] == [False]


async def test_a_failed_event_is_tried_again_at_its_time_without_any_wake_up(store: Store) -> None:
    left = [500]

    async def once(_: Received) -> int:
        return left.pop() if left else 200

    async with webhook_receiver() as receiver, running(store) as (house, _):
        receiver.reply = once
        await house.set_up(receiver.url)
        await house.register("a")
        ids = await house.emit_new("a", 1)
        got = await receiver.wait_for(2)
        assert [one.event_id for one in got] == ids * 2


async def test_a_paused_queue_delivers_nothing_until_it_goes_on(store: Store) -> None:
    async with webhook_receiver() as receiver:
        house = House(store, CLOCK)
        await house.set_up(receiver.url)
        await house.register("a")
        await store.command("SADD", store.keys.shared("queues-paused"), "notify")
        async with running(store) as (working, _):
            await working.emit_new("a", 1)
            while await working.waiting("a") == 0:
                await asyncio.sleep(0.01)
        assert receiver.received == []
        await store.command("DEL", store.keys.shared("queues-paused"))
        async with running(store):
            await receiver.wait_for(1)
        await house.close()


async def refusals(store: Store) -> int:
    """How often the store refused a write since it runs, because it is a replica."""
    told = (await store.command("INFO", "errorstats")).get("errorstat_READONLY", {})
    return int(told.get("count", 0))


async def test_a_lane_goes_on_as_soon_as_the_store_takes_writes_again(store: Store) -> None:
    async def demote(_: Received) -> int:
        await store.command("REPLICAOF", "127.0.0.1", "1")
        return 200

    async def fine(_: Received) -> int:
        return 200

    async with webhook_receiver() as receiver, running(store) as (house, _):
        await house.set_up(receiver.url)
        await house.register("a")
        receiver.reply = demote
        before = await refusals(store)
        (event_id,) = await house.emit_new("a", 1)
        try:
            await receiver.wait_for(1)
            receiver.reply = fine
            while await refusals(store) == before:
                await asyncio.sleep(0.02)
            assert await house.waiting("a") == 1
        finally:
            await store.command("REPLICAOF", "NO", "ONE")
        # The lease of a minute is not waited for.
        async with asyncio.timeout(house.schedule.lease_ms / 1000 / 3):
            while await house.waiting("a"):
                await asyncio.sleep(0.02)
        assert {one.event_id for one in receiver.received} == {event_id}
