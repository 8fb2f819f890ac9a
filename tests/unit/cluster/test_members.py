"""The register of processes, on a real store."""

from __future__ import annotations

import pytest

from postroom.cluster.members import FRESH_MS, SWEPT_AFTER_MS, Member, Members
from postroom.store.connection import Store
from tests.fakes.clock import FakeClock


def worker(name: str, kind: str = "imap") -> Member:
    return Member(id=name, kind=kind, node="n1", pid=7, address=f"unix:///run/{name}")


@pytest.fixture
def members(store: Store, clock: FakeClock) -> Members:
    return Members(store, clock)


async def test_a_registered_process_is_listed_with_its_times(
    members: Members, store: Store, clock: FakeClock
) -> None:
    await members.register(worker("w2"))
    await members.register(worker("w1", "api"))
    listed = await Members(store, clock).list()
    assert [member.id for member in listed] == ["w1", "w2"]
    assert listed[1].address == "unix:///run/w2"
    assert (listed[1].started_ms, listed[1].beat_ms) == (clock.now_ms(), clock.now_ms())


async def test_only_processes_of_the_kind_that_beat_lately_are_fresh(
    members: Members, clock: FakeClock
) -> None:
    for member in (worker("w1"), worker("w2"), worker("w3", "api")):
        await members.register(member)
    await clock.advance(FRESH_MS / 1000)
    assert [member.id for member in await members.fresh("imap")] == ["w1", "w2"]
    await members.beat("w2")
    await clock.advance(1)
    assert [member.id for member in await members.fresh("imap")] == ["w2"]


async def test_a_process_that_leaves_is_gone(members: Members) -> None:
    await members.register(worker("w1"))
    await members.leave("w1")
    assert await members.list() == []
    assert await members.find("w1") is None


async def test_a_silent_process_is_not_found_though_its_record_is_there(
    members: Members, clock: FakeClock
) -> None:
    await members.register(worker("w1"))
    assert (await members.find("w1")) is not None
    await clock.advance(FRESH_MS / 1000 + 1)
    assert await members.find("w1") is None
    assert len(await members.list()) == 1


async def test_find_sees_a_new_process_at_once_and_a_new_beat_within_seconds(
    members: Members, store: Store, clock: FakeClock
) -> None:
    others = Members(store, clock)
    assert await others.find("w1") is None
    await members.register(worker("w1"))
    assert await others.find("w1") is not None
    for _ in range(10):
        await clock.advance(10)
        await members.beat("w1")
        assert await others.find("w1") is not None


async def test_a_long_silent_process_is_swept_and_returns_by_its_next_beat(
    members: Members, clock: FakeClock
) -> None:
    await members.register(worker("w1"))
    assert await members.sweep() == []
    await clock.advance(SWEPT_AFTER_MS / 1000 + 1)
    assert await members.sweep() == ["w1"]
    assert await members.list() == []
    await members.beat("w1")
    assert [member.id for member in await members.list()] == ["w1"]
