"""Turns to connect: bounded in all and by host, fair, and fewer for a host that complains."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import pytest

from postroom.clock import Deadline
from postroom.errors import ConnectFailed, DeadlineExceeded
from postroom.providers.imap.budget import CALM_S, ConnectBudget, is_complaint
from tests.fakes.clock import FakeClock


class Crowd:
    """Callers that hold their turn until they are told to end."""

    def __init__(self, budget: ConnectBudget) -> None:
        self.budget = budget
        self.inside: list[str] = []
        self.order: list[str] = []
        self.peak: Counter[str] = Counter()
        self.tasks: list[asyncio.Task[None]] = []
        self.may_end = asyncio.Event()

    def come(self, host: str, count: int = 1, *, name: str = "", is_urgent: bool = False) -> None:
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._hold(host, name or host, is_urgent)))

    async def _hold(self, host: str, name: str, is_urgent: bool) -> None:
        async with self.budget.turn(host, is_urgent=is_urgent):
            self.inside.append(host)
            self.order.append(name)
            self.peak[host] = max(self.peak[host], self.inside.count(host))
            self.peak["all"] = max(self.peak["all"], len(self.inside))
            await self.may_end.wait()
            await asyncio.sleep(0)
            self.inside.remove(host)

    async def leave(self) -> None:
        self.may_end.set()
        await asyncio.gather(*self.tasks)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_allowed_connect_at_a_time() -> None:
    budget = ConnectBudget(5, 3)
    crowd = Crowd(budget)
    crowd.come("a", 10)
    crowd.come("b", 10)
    await settle()
    assert Counter(crowd.inside) == {"a": 3, "b": 2}
    await crowd.leave()
    assert crowd.peak == {"a": 3, "b": 3, "all": 5}
    assert len(crowd.order) == 20
    assert budget._free == 5
    assert budget._hosts == {}


async def test_who_waits_for_an_answer_comes_first() -> None:
    crowd = Crowd(ConnectBudget(50, 1))
    crowd.come("a", 3)
    await settle()
    crowd.come("a", name="urgent", is_urgent=True)
    await settle()
    await crowd.leave()
    assert crowd.order == ["a", "urgent", "a", "a"]


async def test_a_deadline_ends_the_waiting_and_a_cancelled_turn_is_not_lost() -> None:
    budget = ConnectBudget(1, 1)
    crowd = Crowd(budget)
    crowd.come("a")
    await settle()
    with pytest.raises(DeadlineExceeded):
        async with budget.turn("a", Deadline.after(FakeClock(), 0.01)):
            pass
    for turns in range(12):
        waiting = asyncio.create_task(_pass(budget))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    await crowd.leave()
    async with budget.turn("a"):
        assert budget._free == 0
    assert budget._free == 1
    assert budget._hosts == {}


@pytest.mark.parametrize("turns", range(12))
async def test_a_turn_given_to_somebody_who_goes_away_is_given_on(turns: int) -> None:
    budget = ConnectBudget(1, 1)
    crowd = Crowd(budget)
    crowd.come("a")
    await settle()
    going = asyncio.create_task(_pass(budget))
    staying = asyncio.create_task(_pass(budget))
    await settle()
    crowd.may_end.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    going.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await going
    await asyncio.wait_for(staying, 1)
    await crowd.leave()
    assert (budget._free, budget._hosts) == (1, {})


async def _pass(budget: ConnectBudget) -> None:
    async with budget.turn("a"):
        await asyncio.sleep(0)


async def _fail(budget: ConnectBudget, fault: Callable[[], ConnectFailed]) -> None:
    with pytest.raises(ConnectFailed):
        async with budget.turn("a"):
            raise fault()


async def _limit(budget: ConnectBudget) -> int:
    crowd = Crowd(budget)
    crowd.come("a", 30)
    await settle()
    limit = len(crowd.inside)
    for task in crowd.tasks:
        task.cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)
    return limit


async def test_a_host_that_complains_gets_fewer_at_a_time_for_a_while() -> None:
    clock = FakeClock()
    budget = ConnectBudget(50, 20, clock)
    await _fail(budget, lambda: ConnectFailed("Refused", code="ECONNREFUSED"))
    assert await _limit(budget) == 20
    await _fail(budget, lambda: ConnectFailed("* Too many simultaneous connections"))
    assert await _limit(budget) == 1
    await _pass(budget)
    assert await _limit(budget) == 1
    await clock.advance(CALM_S)
    for _ in range(5):
        await _pass(budget)
    assert await _limit(budget) >= 6
    async with budget.turn("b"):
        pass
    for _ in range(30):
        await _pass(budget)
    assert budget._hosts == {}


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (ConnectFailed("Maximum number of connections from user+IP exceeded"), True),
        (ConnectFailed("Too many login attempts"), True),
        (ConnectFailed("no", code="LIMIT"), True),
        (ConnectFailed("Connection timeout", code="ETIMEDOUT"), True),
        (ConnectFailed("connect ECONNREFUSED", code="ECONNREFUSED"), False),
        (ConnectFailed("The host name is unknown", code="ENOTFOUND"), False),
    ],
)
def test_a_complaint_is_told_from_another_failure(error: ConnectFailed, is_one: bool) -> None:
    assert is_complaint(error) == is_one
