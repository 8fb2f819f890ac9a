"""Cursors, folder numbers and sights through their door, on a real store."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer
from postroom.errors import AccountNotFound, Fenced, StoreUnavailable
from postroom.events.emit import prepare
from postroom.events.log import EventLog
from postroom.model.account import Account
from postroom.model.event import EventDraft, EventType, PreparedEvent
from postroom.model.mailbox import MailboxCursor
from postroom.model.owner import Owner
from postroom.store import mailboxes as mailboxes_module
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.store.mailboxes import Mailboxes
from tests.fakes.clock import FakeClock
from tests.unit.store.census import keys_of

ACCOUNT = "acc:{1}*"


@pytest.fixture
async def owner(store: Store, clock: FakeClock) -> Owner:
    """The owner of the one registered account."""
    await Accounts(store, Sealer(None), clock).create(Account(account=ACCOUNT), [])
    return await Owners(store, Members(store, clock)).assign(ACCOUNT, "w1")


@pytest.fixture
def mailboxes(store: Store) -> Mailboxes:
    return Mailboxes(store)


def cursor_at(number: int, path: str = "INBOX", **fields: int) -> MailboxCursor:
    return MailboxCursor(path=path, uid_validity=7, number=number, **fields)  # type: ignore[arg-type]


def news(count: int) -> list[PreparedEvent]:
    drafts = [
        EventDraft(event=EventType.MESSAGE_NEW, data={"id": str(uid)}, path="INBOX")
        for uid in range(count)
    ]
    return prepare(ACCOUNT, drafts, 0)


async def log_of(store: Store) -> list[str]:
    log = EventLog(store)
    events = await log.read(partition_of(ACCOUNT), count=10_000)
    return [one.event.data["id"] for one in events]


async def test_numbers_count_from_one_in_order_of_first_use_and_never_change(
    mailboxes: Mailboxes, owner: Owner
) -> None:
    pairs = [(7, "INBOX"), (7, "Sent"), (8, "INBOX"), (7, "\u4e2d\u6587/Sub"), (0, "last")]
    numbers = [await mailboxes.number_for(ACCOUNT, *pair) for pair in pairs]
    assert numbers == [1, 2, 3, 4, 5]
    assert [await mailboxes.number_for(ACCOUNT, *pair) for pair in pairs] == numbers
    assert [await mailboxes.resolve(ACCOUNT, number) for number in numbers] == pairs


async def test_a_number_never_handed_out_resolves_to_nothing(
    mailboxes: Mailboxes, owner: Owner
) -> None:
    assert await mailboxes.resolve(ACCOUNT, 1) is None
    assert await mailboxes.resolve("nobody", 1) is None


async def test_first_uses_at_once_give_one_number(mailboxes: Mailboxes, owner: Owner) -> None:
    numbers = await asyncio.gather(*(mailboxes.number_for(ACCOUNT, 7, "INBOX") for _ in range(10)))
    assert set(numbers) == {1}


async def test_an_unknown_account_gets_no_number_and_no_key(
    mailboxes: Mailboxes, store: Store
) -> None:
    with pytest.raises(AccountNotFound):
        await mailboxes.number_for("nobody", 7, "INBOX")
    assert await keys_of(store) == set()


async def test_a_step_writes_cursor_blocks_and_events_together(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    cursor = cursor_at(1, uid_next=300)
    await mailboxes.commit(
        ACCOUNT, owner, cursor, blocks={0: b"\x00\xff", 5: b"five"}, events=news(3)
    )
    assert await mailboxes.cursors(ACCOUNT) == {"INBOX": cursor}
    assert await mailboxes.blocks(ACCOUNT, 1) == {0: b"\x00\xff", 5: b"five"}
    assert await log_of(store) == ["0", "1", "2"]


async def test_a_step_whose_reply_was_lost_announces_its_messages_once(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    events = news(3)
    for _ in range(2):
        await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"x"}, events=events)
    assert await log_of(store) == ["0", "1", "2"]
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"y"}, events=news(1))
    assert await log_of(store) == ["0", "1", "2", "0"]


async def test_an_empty_block_removes_the_block(mailboxes: Mailboxes, owner: Owner) -> None:
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"a", 1: b"b"})
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"", 2: b"c"})
    assert await mailboxes.blocks(ACCOUNT, 1) == {1: b"b", 2: b"c"}


async def test_a_reset_drops_the_old_index_in_the_same_step(
    mailboxes: Mailboxes, owner: Owner
) -> None:
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"old", 1: b"old"})
    await mailboxes.commit(ACCOUNT, owner, cursor_at(2), blocks={0: b"new"}, dropped_number=1)
    assert await mailboxes.blocks(ACCOUNT, 1) == {}
    assert await mailboxes.blocks(ACCOUNT, 2) == {0: b"new"}


async def test_a_lost_index_is_rebuilt_under_its_own_number(
    mailboxes: Mailboxes, owner: Owner
) -> None:
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"old", 1: b"old"})
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"new"}, dropped_number=1)
    assert await mailboxes.blocks(ACCOUNT, 1) == {0: b"new"}


async def test_thousands_of_blocks_and_events_fit_into_one_step(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    blocks = dict.fromkeys(range(9000), b"x" * 100)
    await mailboxes.commit(
        ACCOUNT,
        owner,
        cursor_at(1),
        blocks=blocks,
        events=news(9_000),
        sighted=[f"<{n}@x>" for n in range(9_000)],
    )
    assert await mailboxes.blocks(ACCOUNT, 1) == blocks
    assert await log_of(store) == [str(uid) for uid in range(9_000)]


async def test_a_former_owner_writes_nothing_of_a_step(
    mailboxes: Mailboxes, store: Store, owner: Owner, clock: FakeClock
) -> None:
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={0: b"kept"})
    await Owners(store, Members(store, clock)).assign(ACCOUNT, "w2")
    before = {name: await store.command("DUMP", name) for name in await keys_of(store)}
    with pytest.raises(Fenced):
        await mailboxes.commit(
            ACCOUNT,
            owner,
            cursor_at(1, uid_next=9),
            blocks={0: b"lost"},
            dropped_number=1,
            events=news(1),
            sighted=["<1@x>"],
        )
    with pytest.raises(Fenced):
        await mailboxes.drop(ACCOUNT, owner, cursor_at(1), news(1))
    assert {name: await store.command("DUMP", name) for name in await keys_of(store)} == before


async def test_a_dropped_mailbox_is_gone_with_its_index_and_keeps_its_number(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    number = await mailboxes.number_for(ACCOUNT, 7, "INBOX")
    cursor = cursor_at(number)
    await mailboxes.commit(ACCOUNT, owner, cursor, blocks={0: b"a"})
    await mailboxes.drop(ACCOUNT, owner, cursor, news(1))
    assert await mailboxes.cursors(ACCOUNT) == {}
    assert await mailboxes.blocks(ACCOUNT, number) == {}
    assert await mailboxes.number_for(ACCOUNT, 7, "INBOX") == number
    assert await log_of(store) == ["0"]


async def test_a_message_id_looks_new_until_its_event_is_recorded(
    mailboxes: Mailboxes, owner: Owner
) -> None:
    ids = ["<1@x>", "<2@x>", "<1@x>", ""]
    assert await mailboxes.first_sights(ACCOUNT, ids) == [True, True, False, True]
    assert await mailboxes.first_sights(ACCOUNT, ids) == [True, True, False, True]
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={}, sighted=ids[:2])
    assert await mailboxes.first_sights(ACCOUNT, ids) == [False, False, False, True]


async def test_only_the_latest_sights_are_remembered(
    mailboxes: Mailboxes, owner: Owner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes_module, "SIGHTS_KEPT", 3)
    for number in range(5):
        await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={}, sighted=[f"<{number}@x>"])
    asked = [f"<{number}@x>" for number in range(5)]
    assert await mailboxes.first_sights(ACCOUNT, asked) == [True, True, False, False, False]
    assert await store.command("ZCARD", store.keys.account(ACCOUNT, "seen")) == 3


async def test_a_message_id_of_any_text_is_remembered(mailboxes: Mailboxes, owner: Owner) -> None:
    odd = ["\udcff broken", "\u4e2d\u6587", "x" * 100_000]
    await mailboxes.commit(ACCOUNT, owner, cursor_at(1), blocks={}, sighted=odd)
    assert await mailboxes.first_sights(ACCOUNT, odd) == [False, False, False]


def next_of(cursor: MailboxCursor) -> MailboxCursor:
    return msgspec.structs.replace(cursor, step=cursor.next_step())


async def test_a_step_that_is_sent_twice_is_done_once(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    first = next_of(cursor_at(1))
    told = news(2)
    for _ in range(2):
        await mailboxes.commit(ACCOUNT, owner, first, blocks={0: b"a"}, events=told)
    assert await log_of(store) == ["0", "1"]
    await mailboxes.commit(ACCOUNT, owner, next_of(first), blocks={0: b"b"})
    assert await mailboxes.blocks(ACCOUNT, 1) == {0: b"b"}


async def test_a_step_that_comes_late_is_refused_and_changes_nothing(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    """Its sender gave it up, read the state and wrote on; then the server got to it."""
    late = next_of(cursor_at(1))
    taken = next_of(cursor_at(1))
    await mailboxes.commit(ACCOUNT, owner, taken, blocks={0: b"a"}, events=news(1))
    with pytest.raises(StoreUnavailable):
        await mailboxes.commit(ACCOUNT, owner, late, blocks={0: b"late"}, events=news(1))
    await mailboxes.commit(ACCOUNT, owner, next_of(taken), blocks={0: b"b"})
    with pytest.raises(StoreUnavailable):
        await mailboxes.commit(ACCOUNT, owner, taken, blocks={0: b"late"}, events=news(1))
    assert await mailboxes.cursors(ACCOUNT) != {"INBOX": late}
    assert await mailboxes.blocks(ACCOUNT, 1) == {0: b"b"}
    assert await log_of(store) == ["0"]


async def test_readings_that_did_not_end_are_remembered(
    mailboxes: Mailboxes, store: Store, owner: Owner
) -> None:
    await mailboxes.count_trial(ACCOUNT, owner, 1, [7, 8], by=1)
    await mailboxes.count_trial(ACCOUNT, owner, 1, [7], by=1)
    assert await mailboxes.trials(ACCOUNT) == {(1, 7): 2, (1, 8): 1}
    await mailboxes.count_trial(ACCOUNT, owner, 1, [7, 8], by=-1)
    assert await mailboxes.trials(ACCOUNT) == {(1, 7): 1}
    await mailboxes.forget_trials(ACCOUNT, 1, [7, 8])
    assert await mailboxes.trials(ACCOUNT) == {}
    assert store.keys.account(ACCOUNT, "trials") not in await keys_of(store)
