"""The loop that hands accounts out, on a real store."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from postroom.cluster.coordinator import FAILSAFE_S, LOCK_MS, MOVES, Coordinator
from postroom.cluster.members import FRESH_MS, Member, Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer
from postroom.errors import Fenced
from postroom.model.account import Account, AccountState
from postroom.store.accounts import Accounts, StateUpdate
from postroom.store.connection import Store
from postroom.store.wake import Wake
from tests.fakes.clock import FakeClock


class Stage:
    """A cluster of one store: what the tests turn."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.members = Members(store, clock)
        self.owners = Owners(store, self.members)
        self.accounts = Accounts(store, Sealer(None), clock)
        self.wake = Wake(store, clock)

    def coordinator(self, node: str = "n1", expected: int = 1) -> Coordinator:
        owners = Owners(self.store, self.members)
        return Coordinator(self.store, self.members, owners, self.wake, self.clock, node, expected)

    async def start(self, *workers: str, kind: str = "imap") -> None:
        for worker in workers:
            await self.members.register(Member(id=worker, kind=kind, node="n1", pid=1))

    async def register(self, *names: str) -> None:
        for name in names:
            await self.accounts.create(Account(account=name), [])

    async def loads(self) -> Counter[str]:
        return Counter(owner.worker for owner in (await self.owners.holds()).values())


@pytest.fixture
def stage(store: Store, clock: FakeClock) -> Stage:
    return Stage(store, clock)


async def test_accounts_are_shared_among_the_account_workers(stage: Stage) -> None:
    await stage.start("w1", "w2")
    await stage.start("api1", kind="api")
    await stage.register(*(f"a{number}" for number in range(7)))
    assert await stage.coordinator().round() == 7
    assert sorted((await stage.loads()).values()) == [3, 4]
    assert set(await stage.loads()) == {"w1", "w2"}


async def test_a_settled_cluster_is_left_alone_until_something_changes(stage: Stage) -> None:
    await stage.start("w1")
    await stage.register("a", "b")
    coordinator = stage.coordinator()
    assert [await coordinator.round() for _ in range(3)] == [2, 0, 0]
    holds = await stage.owners.holds()
    await stage.register("c")
    assert await coordinator.round() == 1
    after = await stage.owners.holds()
    assert {name: after[name] for name in holds} == holds
    await stage.accounts.delete("a", [])
    await stage.register("a")
    assert await coordinator.round() == 1


async def test_the_accounts_of_a_dead_worker_go_to_the_others_which_keep_theirs(
    stage: Stage,
) -> None:
    await stage.start("w1", "w2", "w3")
    await stage.register(*(f"a{number}" for number in range(30)))
    coordinator = stage.coordinator()
    await coordinator.round()
    before = await stage.owners.holds()
    await stage.members.leave("w2")
    assert await coordinator.round() == 10
    after = await stage.owners.holds()
    assert await stage.loads() == {"w1": 15, "w3": 15}
    assert all(after[name] == one for name, one in before.items() if one.worker != "w2")


async def test_the_accounts_of_a_silent_worker_are_taken_and_it_is_fenced(stage: Stage) -> None:
    await stage.start("w1", "w2")
    await stage.register("a")
    coordinator = stage.coordinator()
    await coordinator.round()
    held = (await stage.owners.holds())["a"]
    other = "w2" if held.worker == "w1" else "w1"
    await stage.clock.advance(FRESH_MS / 1000 + 1)
    await stage.members.beat(other)
    assert await coordinator.round() == 1
    assert (await stage.owners.holds())["a"].worker == other
    await stage.members.beat(held.worker)
    with pytest.raises(Fenced):
        await stage.accounts.set_state("a", held, StateUpdate(state=AccountState.CONNECTED))


async def test_released_accounts_are_given_again(stage: Stage) -> None:
    await stage.start("w1")
    await stage.register("a", "b")
    coordinator = stage.coordinator()
    await coordinator.round()
    await stage.owners.release_all(await stage.owners.holds())
    assert await coordinator.round() == 2


async def test_without_a_worker_accounts_wait_for_one(stage: Stage) -> None:
    await stage.register("a")
    coordinator = stage.coordinator()
    assert await coordinator.round() == 0
    await stage.start("w1")
    assert await coordinator.round() == 1


async def test_the_first_worker_up_takes_its_share_only_until_the_failsafe(stage: Stage) -> None:
    coordinator = stage.coordinator(expected=4)
    await stage.register(*(f"a{number}" for number in range(8)))
    await stage.start("w1")
    await coordinator.round()
    assert await stage.loads() == {"w1": 2}
    await stage.start("w2")
    await coordinator.round()
    assert await stage.loads() == {"w1": 2, "w2": 2}
    await stage.clock.advance(FAILSAFE_S)
    await coordinator.round()
    assert await stage.loads() == {"w1": 4, "w2": 4}


async def test_a_joining_worker_gets_its_share_a_few_accounts_a_round(stage: Stage) -> None:
    await stage.start("w1")
    await stage.register(*(f"a{number}" for number in range(3 * MOVES)))
    coordinator = stage.coordinator()
    await coordinator.round()
    await stage.start("w2")
    given = [await coordinator.round() for _ in range(4)]
    assert given == [MOVES, MOVES // 2, 0, 0]
    assert await stage.loads() == {"w1": 3 * MOVES // 2, "w2": 3 * MOVES // 2}


async def test_one_coordinator_at_a_time_holds_the_lock(stage: Stage) -> None:
    first, second = stage.coordinator("n1"), stage.coordinator("n1")
    assert await first.hold()
    assert not await second.hold()
    assert await first.hold()
    left = await stage.store.command("PTTL", stage.store.keys.shared("coordinator"))
    assert 0 < left <= LOCK_MS


async def test_the_loop_assigns_and_gives_the_lock_back_when_it_is_cancelled(
    stage: Stage,
) -> None:
    await stage.start("w1")
    await stage.register("a")
    listening = asyncio.create_task(stage.wake.run())
    running = asyncio.create_task(stage.coordinator("n1").run())
    async with asyncio.timeout(20):
        while not await stage.owners.owned_by("w1"):
            await asyncio.sleep(0)
        await stage.register("b")
        while len(await stage.owners.owned_by("w1")) < 2:
            await asyncio.sleep(0)
    for task in (running, listening):
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await stage.coordinator("n2").hold()


async def test_the_loop_waits_for_a_store_that_does_not_answer(clock: FakeClock) -> None:
    away = Store("unix:///nonexistent/store.sock")
    stage = Stage(away, clock)
    running = asyncio.create_task(stage.coordinator().run())
    done, _ = await asyncio.wait({running}, timeout=1)
    assert not done
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await away.close()
