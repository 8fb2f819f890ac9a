"""The leased schedule on a real store."""

from __future__ import annotations

from postroom.queue.schedule import Schedule
from postroom.store.connection import Store
from tests.fakes.clock import FakeClock

LEASE_MS = 1000


def schedule(store: Store, clock: FakeClock, holder: str = "w1") -> Schedule:
    return Schedule(store, clock, "submit", LEASE_MS, holder=holder)


async def put(store: Store, queue: Schedule, item: str, due_ms: int) -> None:
    await store.command("ZADD", queue.schedule_key(3), due_ms, item)


async def test_due_items_are_claimed_in_order_of_their_time(store: Store, clock: FakeClock) -> None:
    queue = schedule(store, clock)
    await put(store, queue, "late", clock.now_ms() - 1)
    await put(store, queue, "early", clock.now_ms() - 5)
    await put(store, queue, "future", clock.now_ms() + 5000)
    claim = await queue.claim(3, 10)
    assert [leased.item for leased in claim.items] == ["early", "late"]
    assert not any(leased.was_stalled for leased in claim.items)
    assert claim.next_due_ms == clock.now_ms() + LEASE_MS


async def test_leased_item_is_not_claimed_again_until_its_lease_ran_out(
    store: Store, clock: FakeClock
) -> None:
    queue = schedule(store, clock)
    await put(store, queue, "job", clock.now_ms())
    (first,) = (await queue.claim(3, 1)).items
    assert (await queue.claim(3, 1)).items == ()
    await clock.advance(LEASE_MS / 1000 + 0.001)
    (second,) = (await schedule(store, clock, "w2").claim(3, 1)).items
    assert second.was_stalled
    assert not await queue.renew(first), "the first holder lost it"
    assert not await queue.release(first, clock.now_ms())
    assert await queue.renew(second)


async def test_renewed_lease_holds_longer(store: Store, clock: FakeClock) -> None:
    queue = schedule(store, clock)
    await put(store, queue, "job", clock.now_ms())
    (leased,) = (await queue.claim(3, 1)).items
    await clock.advance(0.9)
    assert await queue.renew(leased)
    await clock.advance(0.9)
    assert (await queue.claim(3, 1)).items == ()


async def test_released_item_is_due_when_told(store: Store, clock: FakeClock) -> None:
    queue = schedule(store, clock)
    await put(store, queue, "job", clock.now_ms())
    (leased,) = (await queue.claim(3, 1)).items
    assert await queue.release(leased, clock.now_ms() + 5000)
    assert (await queue.claim(3, 1)).next_due_ms == clock.now_ms() + 5000
    await clock.advance(5)
    (again,) = (await queue.claim(3, 1)).items
    assert not again.was_stalled


async def test_items_of_a_dead_holder_are_due_at_once_and_marked_stalled(
    store: Store, clock: FakeClock
) -> None:
    dead, alive = schedule(store, clock, "w1"), schedule(store, clock, "w11")
    await put(store, dead, "a", clock.now_ms())
    await dead.claim(3, 1)
    await put(store, dead, "b", clock.now_ms())
    await alive.claim(3, 1)
    assert await alive.expire("w1") == 1
    (leased,) = (await alive.claim(3, 10)).items
    assert (leased.item, leased.was_stalled) == ("a", True)
