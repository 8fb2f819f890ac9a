"""The outbox through its door, on a real store."""

from __future__ import annotations

import msgspec
import pytest_asyncio

from postroom.events.emit import prepare
from postroom.events.log import EventLog
from postroom.model.event import EventDraft, EventType
from postroom.model.outgoing import OutgoingMessage
from postroom.queue.schedule import SUBMIT, Leased, Schedule
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.store.outbox import FAILED_KEPT_MS, Outbox
from postroom.store.queued import QueueState
from tests.fakes.clock import FakeClock

ACCOUNT = "a:*{p01}"


@pytest_asyncio.fixture
async def outbox(store: Store, clock: FakeClock) -> Outbox:
    for name in (ACCOUNT, "other"):
        await store.command("HSET", store.keys.account(name), "record", "{}")
    return Outbox(store, clock)


def record(outbox: Outbox, at_ms: int, account: str = ACCOUNT) -> OutgoingMessage:
    return OutgoingMessage(
        queue_id=outbox.new_id(at_ms),
        account=account,
        message_id="<a@b>",
        envelope_from="a@b",
        envelope_to=("c@d",),
        send_at_ms=at_ms,
    )


async def leased(store: Store, clock: FakeClock, account: str = ACCOUNT) -> Leased:
    schedule = Schedule(store, clock, SUBMIT, 180_000)
    return (await schedule.claim(partition_of(account), 1)).items[0]


def event(clock: FakeClock):  # type: ignore[no-untyped-def]
    draft = EventDraft(event=EventType.MESSAGE_SENT, data={})
    return prepare(ACCOUNT, [draft], clock.now_ms())


async def test_a_taken_queue_id_is_refused_but_a_repeated_put_is_not(
    outbox: Outbox, clock: FakeClock
) -> None:
    first = record(outbox, clock.now_ms())
    assert await outbox.put(first, b"x")
    assert await outbox.put(first, b"x")
    other = OutgoingMessage(**{name: getattr(first, name) for name in first.__struct_fields__})
    assert not await outbox.put(
        OutgoingMessage(
            queue_id=other.queue_id,
            account=ACCOUNT,
            message_id="<other@b>",
            envelope_from="a@b",
            envelope_to=("c@d",),
        ),
        b"y",
    )
    assert await outbox.source(first.queue_id) == b"x"


async def test_states_are_read_off_the_schedule(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    now = clock.now_ms()
    waiting = record(outbox, now, "other")
    delayed = record(outbox, now + 60_000)
    active = record(outbox, now)
    for one in (waiting, delayed, active):
        await outbox.put(one, b"x")
    await leased(store, clock)
    page = await outbox.list()
    assert page.total == 3
    states = {item.record.queue_id: item.state for item in page.items}
    assert states == {
        waiting.queue_id: QueueState.WAITING,
        delayed.queue_id: QueueState.DELAYED,
        active.queue_id: QueueState.ACTIVE,
    }


async def test_pages_run_over_all_partitions_by_due_time(outbox: Outbox, clock: FakeClock) -> None:
    ids = []
    for number in range(7):
        one = record(outbox, clock.now_ms() + number, ("other", ACCOUNT)[number % 2])
        await outbox.put(one, b"x")
        ids.append(one.queue_id)
    pages = [await outbox.list(page, 3) for page in range(4)]
    assert [item.record.queue_id for page in pages for item in page.items] == ids
    assert [page.total for page in pages] == [7, 7, 7, 7]
    assert pages[3].items == ()


async def test_an_active_message_is_not_deleted_and_a_waiting_one_leaves_no_key(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    before = set(await store.command("KEYS", "*"))
    one = record(outbox, clock.now_ms())
    await outbox.put(one, b"x")
    held = await leased(store, clock)
    assert not await outbox.delete(one.queue_id)
    await outbox.retry(held, one, clock.now_ms() + 1)
    assert await outbox.delete(one.queue_id)
    assert not await outbox.delete(one.queue_id)
    assert set(await store.command("KEYS", "*")) == before


async def test_nothing_is_written_once_the_lease_is_lost(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    one = record(outbox, clock.now_ms())
    await outbox.put(one, b"x")
    stale = await leased(store, clock)
    await clock.advance(181)
    await leased(store, clock)
    assert not await outbox.mark(stale, one, 1000, event(clock))
    assert not await outbox.retry(stale, one, 0, event(clock))
    assert not await outbox.fail(stale, one, event(clock))
    assert not await outbox.finish(stale, ACCOUNT)
    assert await EventLog(store).read(partition_of(ACCOUNT), "0", 10) == []
    assert await outbox.source(one.queue_id) == b"x"


async def test_a_repeated_mark_logs_its_event_once(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    one = record(outbox, clock.now_ms())
    await outbox.put(one, b"x")
    held = await leased(store, clock)
    sent = OutgoingMessage(
        queue_id=one.queue_id,
        account=ACCOUNT,
        message_id="<a@b>",
        envelope_from="a@b",
        envelope_to=("c@d",),
        phase="sent",
    )
    events = event(clock)
    assert await outbox.mark(held, sent, 1000, events)
    assert await outbox.mark(held, sent, 1000, events)
    assert len(await EventLog(store).read(partition_of(ACCOUNT), "0", 10)) == 1


async def test_failed_messages_are_listed_without_content_and_forgotten_in_time(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    before = set(await store.command("KEYS", "*"))
    one = record(outbox, clock.now_ms())
    await outbox.put(one, b"x")
    await outbox.fail(await leased(store, clock), one, [])
    assert (await outbox.list()).items[0].state is QueueState.FAILED
    assert await outbox.get(one.queue_id) is None
    await outbox.sweep()
    assert (await outbox.list()).total == 1
    await clock.advance(FAILED_KEPT_MS / 1000 + 1)
    await outbox.sweep()
    assert (await outbox.list()).total == 0
    assert set(await store.command("KEYS", "*")) == before


async def test_an_unknown_queue_id_is_nothing(outbox: Outbox) -> None:
    assert await outbox.get("*") is None
    assert await outbox.source("nope") is None
    assert not await outbox.delete("nope")


async def test_a_damaged_record_is_listed_by_what_is_left_of_it_and_can_be_deleted(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    before = set(await store.command("KEYS", "*"))
    shorn, broken, whole = (record(outbox, clock.now_ms() + at) for at in range(3))
    for one in (shorn, broken, whole):
        await outbox.put(one, b"x")
    rest = msgspec.json.encode({"account": ACCOUNT, "attemptsMade": "many"})
    for one, text in ((shorn, rest), (broken, b"{")):
        key = store.keys.of(ACCOUNT, f"outbox:{one.queue_id}")
        await store.command("HSET", key, "record", text)
    listed = [item.record.queue_id for item in (await outbox.list()).items]
    assert listed == [shorn.queue_id, whole.queue_id]
    for one in (shorn, whole, broken):
        assert await outbox.delete(one.queue_id)
    # What belongs to a record that tells no account goes with the account.
    await store.command("SREM", store.keys.account(ACCOUNT, "outboxes"), broken.queue_id)
    assert set(await store.command("KEYS", "*")) == before


async def test_a_deletion_looks_again_when_the_worker_wrote_meanwhile(
    store: Store, outbox: Outbox, clock: FakeClock
) -> None:
    one = record(outbox, clock.now_ms())
    await outbox.put(one, b"x")
    seen = []

    def announced(found: OutgoingMessage):  # type: ignore[no-untyped-def]
        seen.append(found.phase)
        return event(clock) if found.phase == "queued" else []

    key = store.keys.of(ACCOUNT, f"outbox:{one.queue_id}")
    sent = msgspec.json.encode(msgspec.structs.replace(one, phase="sent"))
    find = outbox._find

    async def find_and_finish(queue_id: str) -> int | None:
        found = await find(queue_id)
        if not seen:
            command = store.command

            async def late(*words: str) -> object:
                reply = await command(*words)
                store.command = command  # type: ignore[method-assign]  # once
                await command("HSET", key, "record", sent)
                return reply

            store.command = late  # type: ignore[method-assign,assignment]  # a write in between
        return found

    outbox._find = find_and_finish  # type: ignore[method-assign]  # a write in between
    assert await outbox.delete(one.queue_id, announced)
    assert seen == ["queued", "sent"]
    assert await EventLog(store).read(partition_of(ACCOUNT), "0", 10) == []
