"""Turns at the command connections: calls before bulk work, nobody starved, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.errors import ConnectionUnavailable, DeadlineExceeded
from postroom.providers.imap.lanes import MOST_PASSED, MOST_WAITING, Lane, Lanes

CLOCK = SystemClock()
CALL, BULK = Lane.INTERACTIVE, Lane.BULK


def soon(seconds: float = 20) -> Deadline:
    return Deadline.after(CLOCK, seconds)


class Crowd:
    """Users of the lanes: each notes its name when it has its turn, and keeps it till told."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.order: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.may_end = asyncio.Event()

    def come(self, lane: Lane, name: str, count: int = 1) -> None:
        self.tasks += [asyncio.create_task(self._use(lane, name)) for _ in range(count)]

    async def _use(self, lane: Lane, name: str) -> None:
        await self.lanes.take(lane, soon())
        self.order.append(name)
        try:
            await self.may_end.wait()
            await asyncio.sleep(0)
        finally:
            self.lanes.release(lane)

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        self.may_end.set()
        await asyncio.gather(*self.tasks)
        assert self.lanes._bulk_free == 1


async def test_bulk_work_leaves_a_connection_for_calls() -> None:
    lanes = Lanes(2)
    crowd = Crowd(lanes)
    crowd.come(BULK, "bulk", 3)
    await crowd.settle()
    assert (crowd.order, lanes.free) == (["bulk"], 1)
    crowd.come(CALL, "call")
    await crowd.settle()
    assert crowd.order == ["bulk", "call"]
    await crowd.leave()
    assert lanes.free == 2


async def test_a_call_goes_before_bulk_work_that_waited_longer() -> None:
    crowd = Crowd(Lanes(1))
    crowd.come(CALL, "first")
    await crowd.settle()
    crowd.come(BULK, "bulk", 2)
    crowd.come(CALL, "call")
    await crowd.settle()
    await crowd.leave()
    assert crowd.order == ["first", "call", "bulk", "bulk"]


@pytest.mark.parametrize("most", [1, 2])
async def test_calls_without_end_do_not_starve_bulk_work(most: int) -> None:
    crowd = Crowd(Lanes(most))
    crowd.come(CALL, "call", most)
    await crowd.settle()
    crowd.come(BULK, "bulk", 2)
    crowd.come(CALL, "call", 30)
    await crowd.settle()
    await crowd.leave()
    first = crowd.order.index("bulk")
    second = crowd.order.index("bulk", first + 1)
    assert first <= most + MOST_PASSED
    assert second - first <= most + MOST_PASSED


async def test_in_a_lane_it_is_first_come_first_served() -> None:
    crowd = Crowd(Lanes(1))
    for name in "abcdef":
        crowd.come(BULK, name)
    await crowd.settle()
    await crowd.leave()
    assert crowd.order == list("abcdef")


async def test_waiting_is_bounded_in_time_and_in_number() -> None:
    lanes = Lanes(1)
    await lanes.take(CALL, soon())
    with pytest.raises(DeadlineExceeded):
        await lanes.take(CALL, soon(0.01))
    crowd = Crowd(lanes)
    crowd.come(BULK, "bulk", MOST_WAITING)
    await crowd.settle()
    with pytest.raises(ConnectionUnavailable):
        await lanes.take(CALL, soon())
    lanes.release(CALL)
    await crowd.leave()
    assert lanes.free == 1


@pytest.mark.parametrize("lane", Lane)
@pytest.mark.parametrize("turns", range(10))
async def test_a_turn_of_somebody_who_goes_away_at_any_time_is_not_lost(
    lane: Lane, turns: int
) -> None:
    lanes = Lanes(1)
    crowd = Crowd(lanes)
    crowd.come(CALL, "first")
    await crowd.settle()
    crowd.come(lane, "going")
    crowd.come(BULK, "staying")
    await crowd.settle()
    crowd.may_end.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    crowd.tasks[1].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await crowd.tasks.pop(1)
    await crowd.leave()
    assert lanes.free == 1
    assert crowd.order[-1] == "staying"
