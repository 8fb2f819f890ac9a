"""Reading and trimming the event log, on a real store."""

from __future__ import annotations

import pytest

from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer
from postroom.events import log as log_module
from postroom.events.emit import prepare
from postroom.events.log import EventLog, LoggedEvent
from postroom.model.account import Account
from postroom.model.event import EventDraft, EventType
from postroom.store.accounts import Accounts, StateUpdate
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from tests.fakes.clock import FakeClock

PARTITION = partition_of("a")


@pytest.fixture
async def log(store: Store, clock: FakeClock) -> EventLog:
    """The log of one account with ten events, every other one compressed."""
    accounts = Accounts(store, Sealer(None), clock)
    await accounts.create(Account(account="a"), [])
    owner = await Owners(store, Members(store, clock)).assign("a", "w1")
    drafts = [
        EventDraft(event=EventType.CONNECT_ERROR, data={"n": n, "pad": "x" * 2_000 * (n % 2)})
        for n in range(10)
    ]
    await accounts.set_state("a", owner, StateUpdate(), prepare("a", drafts, 0))
    return EventLog(store)


def numbers(events: list[LoggedEvent]) -> list[int]:
    return [one.event.data["n"] for one in events]


async def test_the_log_is_read_in_order_from_any_place(log: EventLog) -> None:
    first = await log.read(PARTITION, count=4)
    rest = await log.read(PARTITION, after=first[-1].log_id)
    assert (numbers(first), numbers(rest)) == ([0, 1, 2, 3], [4, 5, 6, 7, 8, 9])
    assert await log.read(PARTITION, after=rest[-1].log_id) == []
    assert await log.last_id(PARTITION) == rest[-1].log_id


async def test_an_empty_log_is_read_as_empty(store: Store) -> None:
    log = EventLog(store)
    assert (await log.read(3), await log.last_id(3), await log.length(3)) == ([], "0", 0)
    assert await log.trim(3, 0) == 0


async def test_events_are_found_by_their_places(log: EventLog) -> None:
    events = await log.read(PARTITION)
    wanted = [events[7].log_id, "1-1", events[2].log_id]
    found = await log.by_ids(PARTITION, wanted)
    assert found == {events[7].log_id: events[7], events[2].log_id: events[2]}
    assert await log.by_ids(PARTITION, []) == {}


async def test_trimming_removes_the_oldest_beyond_what_is_kept(log: EventLog) -> None:
    assert await log.trim(PARTITION, 4) == 6
    assert numbers(await log.read(PARTITION)) == [6, 7, 8, 9]
    assert await log.trim(PARTITION, 4) == 0


async def test_trimming_never_passes_what_is_needed(log: EventLog) -> None:
    events = await log.read(PARTITION)
    assert await log.trim(PARTITION, 1, needed=events[3].log_id) == 3
    assert numbers(await log.read(PARTITION))[0] == 3
    assert await log.trim(PARTITION, 1, needed=events[3].log_id) == 0
    # Log ids are numbers, not texts: 9-0 comes before 10-0.
    assert await log.trim(PARTITION, 1, needed="9-0") == 0


async def test_one_call_removes_a_bounded_number(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "TRIM_LIMIT", 3)
    assert [await log.trim(PARTITION, 2) for _ in range(4)] == [3, 3, 2, 0]
    assert await log.length(PARTITION) == 2
