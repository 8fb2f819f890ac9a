"""Lanes: dispatched once, in order, taken off only by the holder of the lease."""

from __future__ import annotations

import asyncio

import pytest

from postroom.errors import StoreUnavailable
from postroom.events.emit import prepare
from postroom.events.log import EventLog, decode_payload
from postroom.model.event import EventDraft, EventType
from postroom.queue.schedule import NOTIFY, Leased, Schedule
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.store.lanes import RUN_EVENTS, LaneHead, Lanes, Push, Run, lane_id
from tests.fakes.clock import FakeClock

ACCOUNT = "a:{1}*\u2603"
PART = partition_of(ACCOUNT)
LEASE_MS = 60_000


class Bench:
    """A store with lanes and a schedule, and short words for what the tests do with them."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.lanes = Lanes(store, clock, LEASE_MS)
        self.schedule = Schedule(store, clock, NOTIFY, LEASE_MS, holder="w1")

    async def log(self, count: int, account: str = ACCOUNT) -> list[str]:
        """Log events the way the store's scripts do; their log ids."""
        drafts = [EventDraft(event=EventType.MESSAGE_NEW, data={"n": n}) for n in range(count)]
        key = self.store.keys.of(account, "events")
        events = prepare(account, drafts, self.clock.now_ms())
        ids = await self.store.batch(
            [
                (
                    "XADD",
                    key,
                    "*",
                    "a",
                    account,
                    "e",
                    one.event,
                    "i",
                    one.event_id,
                    "p",
                    one.payload,
                )
                for one in events
            ]
        )
        return [one.decode() for one in ids]

    async def push(self, run: Run, destination: str = "default") -> bool:
        pushes = [Push(one.log_id, one.account, destination) for one in run.events]
        return await self.lanes.push(run, pushes)

    async def dispatched(self, count: int) -> list[str]:
        ids = await self.log(count)
        assert await self.push(await self.lanes.next_run(PART))
        return ids

    async def lease(self) -> Leased:
        claim = await self.schedule.claim(PART, 1)
        assert claim.items, "no lane is due"
        return claim.items[0]

    async def head(self, leased: Leased) -> LaneHead:
        head = await self.lanes.head(leased)
        assert head is not None
        return head

    async def keys(self) -> set[str]:
        return {key.decode() for key in await self.store.command("KEYS", "*")}


@pytest.fixture
def bench(store: Store, clock: FakeClock) -> Bench:
    return Bench(store, clock)


async def test_events_come_to_their_lane_in_the_order_of_the_log(bench: Bench) -> None:
    ids = await bench.dispatched(5)
    leased = await bench.lease()
    head = await bench.head(leased)
    assert leased.item == lane_id("default", ACCOUNT)
    assert (head.account, head.destination, head.attempts) == (ACCOUNT, "default", 0)
    assert [one.log_id for one in head.events] == ids
    assert [decode_payload(one.payload).data["n"] for one in head.events] == [0, 1, 2, 3, 4]


async def test_a_run_pushed_twice_is_on_the_lane_once(bench: Bench) -> None:
    ids = await bench.log(3)
    run = await bench.lanes.next_run(PART)
    assert await bench.push(run)
    assert not await bench.push(run)
    assert [one.log_id for one in (await bench.head(await bench.lease())).events] == ids


async def test_a_dispatcher_killed_before_the_push_loses_nothing(bench: Bench) -> None:
    ids = await bench.log(3)
    await bench.lanes.next_run(PART)
    again = await bench.lanes.next_run(PART)
    assert [one.log_id for one in again.events] == ids


async def test_two_dispatchers_cannot_overtake_each_other(bench: Bench) -> None:
    first = await bench.log(2)
    slow = await bench.lanes.next_run(PART)
    second = await bench.log(2)
    fast = await bench.lanes.next_run(PART)
    assert await bench.push(fast)
    assert not await bench.push(slow)
    assert (await bench.lanes.next_run(PART)).events == ()
    head = await bench.head(await bench.lease())
    assert [one.log_id for one in head.events] == first + second


async def test_many_dispatchers_at_once_give_each_event_once_and_in_order(bench: Bench) -> None:
    ids = await bench.log(RUN_EVENTS * 3 + 7)

    async def dispatch() -> None:
        while (run := await bench.lanes.next_run(PART)).events:
            await bench.push(run)

    await asyncio.gather(*[dispatch() for _ in range(4)])
    lane = bench.store.keys.part(PART, f"lane:{lane_id('default', ACCOUNT)}")
    found = await bench.store.command("LRANGE", lane, 0, -1)
    assert [one.decode() for one in found] == ids


async def test_an_event_without_a_push_is_done_with(bench: Bench) -> None:
    await bench.log(2)
    assert await bench.lanes.push(await bench.lanes.next_run(PART), [])
    assert (await bench.lanes.next_run(PART)).events == ()
    assert (await bench.schedule.claim(PART, 1)).items == ()


async def test_payloads_are_read_for_dispatching_only_when_asked_for(bench: Bench) -> None:
    await bench.log(1)
    assert (await bench.lanes.next_run(PART)).events[0].payload == b""
    payload = (await bench.lanes.next_run(PART, with_payloads=True)).events[0].payload
    assert decode_payload(payload).account == ACCOUNT


async def test_a_script_that_fails_changes_nothing(bench: Bench) -> None:
    await bench.log(2)
    run = await bench.lanes.next_run(PART)
    lane = bench.store.keys.part(PART, f"lane:{lane_id('default', ACCOUNT)}")
    await bench.store.command("SET", lane, "of another type")
    with pytest.raises(Exception, match="WRONGTYPE"):
        await bench.push(run)
    await bench.store.command("DEL", lane)
    assert [one.log_id for one in (await bench.lanes.next_run(PART)).events] == [
        one.log_id for one in run.events
    ]


async def test_taking_off_the_last_event_leaves_no_key(bench: Bench) -> None:
    ids = await bench.dispatched(2)
    leased = await bench.lease()
    assert await bench.lanes.pop(leased, ACCOUNT, ids[0])
    assert await bench.lanes.pop(leased, ACCOUNT, ids[1])
    assert await bench.keys() == {
        bench.store.keys.part(PART, name) for name in ("events", "dispatched")
    }
    assert await bench.lanes.head(leased) is None


async def test_only_the_head_can_be_taken_off(bench: Bench) -> None:
    ids = await bench.dispatched(2)
    leased = await bench.lease()
    assert not await bench.lanes.pop(leased, ACCOUNT, ids[1])
    assert await bench.lanes.pop(leased, ACCOUNT, ids[0])
    assert not await bench.lanes.pop(leased, ACCOUNT, ids[0])


async def test_who_lost_the_lease_changes_nothing(bench: Bench) -> None:
    ids = await bench.dispatched(2)
    stale = await bench.lease()
    await bench.clock.advance(LEASE_MS / 1000 + 1)
    fresh = await bench.lease()
    assert fresh.was_stalled
    assert await bench.lanes.head(stale) is None
    assert not await bench.lanes.pop(stale, ACCOUNT, ids[0])
    assert not await bench.lanes.retry(stale, 0)
    head = await bench.head(fresh)
    assert ([one.log_id for one in head.events], head.attempts) == (ids, 0)


async def test_taking_off_prolongs_the_lease(bench: Bench) -> None:
    ids = await bench.dispatched(3)
    leased = await bench.lease()
    for log_id in ids[:2]:
        await bench.clock.advance(LEASE_MS / 1000 - 1)
        assert (await bench.schedule.claim(PART, 1)).items == ()
        assert await bench.lanes.pop(leased, ACCOUNT, log_id)


async def test_a_failed_head_sleeps_and_remembers_its_attempts(bench: Bench) -> None:
    ids = await bench.dispatched(2)
    for attempts in range(3):
        leased = await bench.lease()
        assert (await bench.head(leased)).attempts == attempts
        assert await bench.lanes.retry(leased, bench.clock.now_ms() + 5_000)
        assert (await bench.schedule.claim(PART, 1)).items == ()
        await bench.clock.advance(5)
    leased = await bench.lease()
    assert await bench.lanes.pop(leased, ACCOUNT, ids[0])
    assert (await bench.head(leased)).attempts == 0


async def test_a_new_event_does_not_wake_a_sleeping_lane(bench: Bench) -> None:
    await bench.dispatched(1)
    await bench.lanes.retry(await bench.lease(), bench.clock.now_ms() + 5_000)
    await bench.dispatched(1)
    assert (await bench.schedule.claim(PART, 1)).items == ()
    await bench.clock.advance(5)
    assert len((await bench.head(await bench.lease())).events) == 2


async def test_only_a_lane_that_still_waits_as_it_was_put_off_can_be_taken(bench: Bench) -> None:
    await bench.dispatched(1)
    leased = await bench.lease()
    until_ms = bench.clock.now_ms() + 30_000
    assert not await bench.lanes.take(leased, until_ms)
    await bench.schedule.release(leased, until_ms)
    assert not await bench.lanes.take(leased, until_ms + 1)
    assert await bench.lanes.take(leased, until_ms)
    assert not await bench.lanes.take(leased, until_ms)
    head = await bench.head(leased)
    assert await bench.lanes.pop(leased, ACCOUNT, head.events[0].log_id)
    assert not await bench.lanes.take(leased, until_ms)


async def test_a_new_event_does_not_end_a_lease(bench: Bench) -> None:
    ids = await bench.dispatched(1)
    leased = await bench.lease()
    ids += await bench.dispatched(1)
    assert (await bench.schedule.claim(PART, 1)).items == ()
    assert await bench.lanes.pop(leased, ACCOUNT, ids[0])
    assert [one.log_id for one in (await bench.head(leased)).events] == ids[1:]


async def test_an_event_that_the_log_lost_comes_without_payload(bench: Bench) -> None:
    ids = await bench.dispatched(2)
    await bench.store.command("XDEL", bench.store.keys.part(PART, "events"), ids[0])
    head = await bench.head(await bench.lease())
    assert [(one.log_id, bool(one.payload)) for one in head.events] == [
        (ids[0], False),
        (ids[1], True),
    ]


async def test_a_lane_of_a_deleted_account_leaves_the_schedule(bench: Bench) -> None:
    await bench.dispatched(1)
    leased = await bench.lease()
    name = f"lane:{leased.item}"
    await bench.store.command("DEL", bench.store.keys.part(PART, name))
    assert await bench.lanes.head(leased) is None
    assert not any("lane-state" in key or "schedule" in key for key in await bench.keys())


async def test_trimming_keeps_what_a_lane_or_the_dispatcher_still_needs(bench: Bench) -> None:
    log = EventLog(bench.store)
    assert await bench.lanes.oldest_needed(PART) == "0-1"
    ids = await bench.dispatched(4)
    assert await bench.lanes.oldest_needed(PART) == ids[0]
    leased = await bench.lease()
    await bench.lanes.pop(leased, ACCOUNT, ids[0])
    assert await bench.lanes.oldest_needed(PART) == ids[1]
    await log.trim(PART, 0, await bench.lanes.oldest_needed(PART))
    assert [one.log_id for one in await log.read(PART)] == ids[1:]
    for log_id in ids[1:]:
        await bench.lanes.pop(leased, ACCOUNT, log_id)
    late = await bench.log(1)
    await log.trim(PART, 0, await bench.lanes.oldest_needed(PART))
    assert [one.log_id for one in await log.read(PART)] == late


async def test_ids_are_compared_as_numbers_when_the_oldest_is_looked_for(bench: Bench) -> None:
    key = bench.store.keys.part(PART, "events")
    for number in (9, 10, 11):
        await bench.store.command("XADD", key, f"5-{number}", "a", ACCOUNT, "e", "x", "p", "{}")
    run = await bench.lanes.next_run(PART)
    await bench.lanes.push(run, [Push("5-10", ACCOUNT, "one"), Push("5-9", ACCOUNT, "two")])
    assert await bench.lanes.oldest_needed(PART) == "5-9"


async def test_an_unreachable_store_is_said_so(clock: FakeClock) -> None:
    gone = Store("unix:///nonexistent/store.sock")
    with pytest.raises(StoreUnavailable):
        await Lanes(gone, clock, LEASE_MS).next_run(0)
    await gone.close()
