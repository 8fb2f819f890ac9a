"""Accounts through their door, on a real store."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest
from redis.exceptions import ResponseError

from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer, is_sealed
from postroom.errors import AccountNotFound, Fenced, SealBroken
from postroom.events.emit import prepare
from postroom.events.log import EventLog
from postroom.model.account import (
    Account,
    AccountState,
    Credentials,
    ImapServer,
    LastError,
)
from postroom.model.event import EventDraft, EventType, PreparedEvent
from postroom.model.mailbox import MailboxCursor
from postroom.model.owner import Owner
from postroom.model.secret import Secret
from postroom.model.token import TokenRecord
from postroom.store.accounts import Accounts, StateUpdate
from postroom.store.connection import Store
from postroom.store.keys import SHAPES, partition_of
from postroom.store.mailboxes import Mailboxes
from postroom.store.tokens import Tokens
from postroom.store.wake import ASSIGN_TOPIC, Wake, worker_topic
from tests.fakes.clock import FakeClock
from tests.unit.store.census import keys_of

ODD_IDS = [
    "plain",
    "with:colons:1",
    "a*?[b]",
    "{p00}",
    "{}",
    "J\u00fcrgen \u4e2d\u6587 \U0001f600",
    "x" * 256,
    "last",
    "../../etc",
]


@pytest.fixture
def accounts(store: Store, clock: FakeClock) -> Accounts:
    return Accounts(store, Sealer(None), clock)


@pytest.fixture
def owners(store: Store, clock: FakeClock) -> Owners:
    return Owners(store, Members(store, clock))


def registration(account_id: str, /, **fields: object) -> Account:
    return msgspec.structs.replace(
        Account(
            account=account_id,
            name=f"Name of {account_id}",
            email="someone@example.com",
            imap=ImapServer(
                host="imap.example.com",
                port=993,
                auth=Credentials(user="someone", password=Secret("hunter2")),
            ),
        ),
        **fields,
    )


def added(name: str) -> list[PreparedEvent]:
    draft = EventDraft(event=EventType.ACCOUNT_ADDED, data={"account": name})
    return prepare(name, [draft], 1_795_000_000_000)


def deleted(name: str) -> list[PreparedEvent]:
    draft = EventDraft(event=EventType.ACCOUNT_DELETED, data={"account": name})
    return prepare(name, [draft], 1_795_000_000_000)


async def logged(store: Store, name: str) -> list[tuple[str, str]]:
    events = await EventLog(store).read(partition_of(name))
    return [(one.event.account, str(one.event.event)) for one in events]


@pytest.mark.parametrize("name", ODD_IDS)
async def test_an_account_of_any_id_is_read_back_as_it_was_registered(
    accounts: Accounts, clock: FakeClock, name: str
) -> None:
    assert await accounts.create(registration(name), added(name)) == "new"
    account, status = await accounts.get_with_status(name)
    expected = msgspec.structs.replace(registration(name), created_ms=clock.now_ms())
    assert account == expected
    assert status.state == AccountState.INIT
    assert status.events == {"accountAdded": 1}


async def test_a_second_registration_replaces_the_record_and_announces_nothing(
    accounts: Accounts, store: Store, clock: FakeClock
) -> None:
    await accounts.create(registration("a"), added("a"))
    first_ms = clock.now_ms()
    await clock.advance(60)
    again = registration("a", name="Another")
    assert await accounts.create(again, added("a")) == "existing"
    account = await accounts.get("a")
    assert (account.name, account.created_ms) == ("Another", first_ms)
    assert await logged(store, "a") == [("a", "accountAdded")]


async def test_two_registrations_at_once_announce_the_account_once(
    accounts: Accounts, store: Store
) -> None:
    answers = await asyncio.gather(
        *(accounts.create(registration("a"), added("a")) for _ in range(8))
    )
    assert sorted(answers) == ["existing"] * 7 + ["new"]
    assert await logged(store, "a") == [("a", "accountAdded")]


async def test_secrets_are_sealed_in_the_store_and_open_with_the_secret(
    store: Store, clock: FakeClock
) -> None:
    accounts = Accounts(store, Sealer("key"), clock)
    await accounts.create(registration("a"), added("a"))
    raw = await store.command("HGET", store.keys.account("a"), "record")
    assert b"hunter2" not in raw
    assert is_sealed(msgspec.json.decode(raw)["imap"]["auth"]["pass"])
    account = await Accounts(store, Sealer("key"), clock).get("a")
    assert account.imap is not None
    assert account.imap.auth is not None
    assert account.imap.auth.password == Secret("hunter2")


async def test_a_wrong_secret_is_told_and_does_not_hide_the_account_from_a_search(
    store: Store, clock: FakeClock
) -> None:
    await Accounts(store, Sealer("key"), clock).create(registration("a"), added("a"))
    other = Accounts(store, Sealer("other"), clock)
    with pytest.raises(SealBroken):
        await other.get("a")
    page = await other.list(query="example")
    assert [account.account for account, _ in page.items] == ["a"]


async def test_a_damaged_record_is_told_and_hides_no_other_account(
    accounts: Accounts, store: Store
) -> None:
    for name in ("bad", "good"):
        await accounts.create(registration(name), added(name))
    await store.command("HSET", store.keys.account("bad"), "record", "{broken")
    with pytest.raises(SealBroken):
        await accounts.get("bad")
    assert [account.account for account, _ in (await accounts.list()).items] == ["bad", "good"]
    assert (await accounts.list(query="good")).total == 1


async def test_a_write_whose_reply_was_lost_logs_its_events_once(
    accounts: Accounts, owners: Owners, store: Store
) -> None:
    await accounts.create(registration("a"), [])
    owner = await owners.assign("a", "w1")
    events = added("a")
    for _ in range(2):
        # What the client does by itself when the connection breaks before the reply.
        await accounts.set_state("a", owner, StateUpdate(connections=1), events)
    logged = await EventLog(store).read(partition_of("a"))
    assert [one.event.event_id for one in logged] == [one.event_id for one in events]
    _, status = await accounts.get_with_status("a")
    assert status.events == {"accountAdded": 1}


async def test_an_unknown_account_is_not_found(accounts: Accounts) -> None:
    assert await accounts.find("nobody") is None
    with pytest.raises(AccountNotFound):
        await accounts.get("nobody")
    with pytest.raises(AccountNotFound):
        await accounts.replace(registration("nobody"))
    with pytest.raises(AccountNotFound):
        await accounts.update("nobody", lambda account: account)
    with pytest.raises(AccountNotFound):
        await accounts.delete("nobody", deleted("nobody"))
    assert not await accounts.set_smtp_status("nobody", {"status": "ok"})


async def test_failing_calls_on_an_unknown_account_leave_no_key(
    accounts: Accounts, store: Store
) -> None:
    await test_an_unknown_account_is_not_found(accounts)
    assert await keys_of(store) == set()


async def test_concurrent_updates_of_an_account_are_all_kept(accounts: Accounts) -> None:
    await accounts.create(registration("a", subconnections=()), added("a"))

    def adding(number: int) -> object:
        return accounts.update(
            "a",
            lambda account: msgspec.structs.replace(
                account, subconnections=(*account.subconnections, str(number))
            ),
        )

    await asyncio.gather(*(adding(number) for number in range(6)))  # type: ignore[call-overload]
    account = await accounts.get("a")
    assert sorted(account.subconnections) == [str(number) for number in range(6)]


async def test_revisions_tell_which_records_were_written(accounts: Accounts) -> None:
    await accounts.create(registration("a"), added("a"))
    await accounts.create(registration("b"), added("b"))
    before = await accounts.revisions(["a", "b", "nobody"])
    await accounts.replace(registration("a", name="Other"))
    after = await accounts.revisions(["a", "b", "nobody"])
    assert set(before) == {"a", "b"}
    assert (after["a"] > before["a"], after["b"]) == (True, before["b"])


async def test_accounts_are_listed_by_id_in_pages_with_true_totals(accounts: Accounts) -> None:
    names = sorted(f"account-{number:02d}" for number in range(25))
    for name in reversed(names):
        await accounts.create(registration(name), added(name))
    page = await accounts.list(page=1, page_size=10)
    assert (page.total, page.pages) == (25, 3)
    assert [account.account for account, _ in page.items] == names[10:20]
    past = await accounts.list(page=9, page_size=10)
    assert (past.total, past.pages, past.items) == (25, 3, [])
    assert await accounts.ids() == names


async def test_an_empty_listing_has_one_page(accounts: Accounts) -> None:
    page = await accounts.list()
    assert (page.total, page.pages, page.items) == (0, 1, [])


async def test_a_listing_is_filtered_by_state_and_by_text(
    accounts: Accounts, owners: Owners
) -> None:
    await accounts.create(registration("first", email="Anna@Example.com"), added("first"))
    await accounts.create(registration("second", email="b@x.org", name="ANNA B"), added("second"))
    await accounts.create(registration("third", email=None, name=""), added("third"))
    owner = await owners.assign("first", "w1")
    await accounts.set_state("first", owner, StateUpdate(state=AccountState.CONNECTED))

    async def found(**wanted: object) -> list[str]:
        page = await accounts.list(**wanted)  # type: ignore[arg-type]
        assert page.total == len(page.items)
        return [account.account for account, _ in page.items]

    assert await found(query="anna") == ["first", "second"]
    assert await found(query="HIRD") == ["third"]
    assert await found(query="hunter2") == []
    assert await found(query="*") == []
    assert await found(state=AccountState.CONNECTED) == ["first"]
    assert await found(state=AccountState.INIT, query="anna") == ["second"]


async def test_the_owner_writes_state_and_event_together(
    accounts: Accounts, owners: Owners, store: Store
) -> None:
    await accounts.create(registration("a"), added("a"))
    owner = await owners.assign("a", "w1")
    error = LastError(response="NO", server_response_code="AUTHENTICATIONFAILED", count=1)
    draft = EventDraft(event=EventType.AUTHENTICATION_ERROR, data={"response": "NO"})
    await accounts.set_state(
        "a",
        owner,
        StateUpdate(state=AccountState.AUTHENTICATION_ERROR, last_error=error, connections=2),
        prepare("a", [draft, draft], 0),
    )
    _, status = await accounts.get_with_status("a")
    assert status.state == AccountState.AUTHENTICATION_ERROR
    assert (status.last_error, status.connections) == (error, 2)
    assert status.events == {"accountAdded": 1, "authenticationError": 2}
    assert len(await logged(store, "a")) == 3


async def test_an_update_clears_what_it_sets_to_none_and_leaves_the_rest(
    accounts: Accounts, owners: Owners
) -> None:
    await accounts.create(registration("a"), added("a"))
    owner = await owners.assign("a", "w1")
    await accounts.set_state(
        "a",
        owner,
        StateUpdate(
            state=AccountState.CONNECTED,
            last_error=LastError(response="x"),
            sync_time="2026-11-20T00:00:00.000Z",
            sync_error={"path": "INBOX"},
        ),
    )
    await accounts.set_smtp_status("a", {"status": "ok", "response": "250"})
    await accounts.set_state("a", owner, StateUpdate(last_error=None))
    _, status = await accounts.get_with_status("a")
    assert status.last_error is None
    assert status.state == AccountState.CONNECTED
    assert status.sync_time == "2026-11-20T00:00:00.000Z"
    assert status.sync_error == {"path": "INBOX"}
    assert status.smtp_status == {"status": "ok", "response": "250"}


async def test_a_former_owner_writes_neither_state_nor_event(
    accounts: Accounts, owners: Owners, store: Store
) -> None:
    await accounts.create(registration("a"), added("a"))
    stale = await owners.assign("a", "w1")
    await owners.assign("a", "w2")
    draft = EventDraft(event=EventType.CONNECT_ERROR, data={"response": "x"})
    for loser in (stale, Owner(worker="w2", epoch=stale.epoch), Owner(worker="", epoch=0)):
        with pytest.raises(Fenced):
            await accounts.set_state(
                "a", loser, StateUpdate(state=AccountState.CONNECTED), prepare("a", [draft], 0)
            )
    _, status = await accounts.get_with_status("a")
    assert status.state == AccountState.INIT
    assert await logged(store, "a") == [("a", "accountAdded")]


async def test_the_owner_of_a_deleted_account_is_fenced_even_after_it_is_registered_again(
    accounts: Accounts, owners: Owners
) -> None:
    await accounts.create(registration("a"), added("a"))
    former = await owners.assign("a", "w1")
    await accounts.delete("a", deleted("a"))
    with pytest.raises(Fenced):
        await accounts.set_state("a", former, StateUpdate(state=AccountState.CONNECTED))
    await accounts.create(registration("a"), added("a"))
    again = await owners.assign("a", "w1")
    assert again.epoch > former.epoch
    with pytest.raises(Fenced):
        await accounts.set_state("a", former, StateUpdate(state=AccountState.CONNECTED))


async def test_a_script_that_fails_changes_nothing(
    accounts: Accounts, owners: Owners, store: Store
) -> None:
    await accounts.create(registration("a"), added("a"))
    owner = await owners.assign("a", "w1")
    await store.command("DEL", store.keys.of("a", "owners"))
    await store.command("SET", store.keys.of("a", "owners"), "not a hash")
    with pytest.raises(ResponseError):
        await accounts.set_state("a", owner, StateUpdate(state=AccountState.CONNECTED))
    _, status = await accounts.get_with_status("a")
    assert status.state == AccountState.INIT


async def _fill(store: Store, clock: FakeClock, name: str) -> None:
    """Give an account one of every kind of key."""
    keys = store.keys
    mailboxes = Mailboxes(store)
    owner = await Owners(store, Members(store, clock)).assign(name, "w1")
    for path in ("INBOX", "Sent"):
        number = await mailboxes.number_for(name, 1, path)
        cursor = MailboxCursor(path=path, uid_validity=1, number=number)
        moves = {"i1": b"E"}
        await mailboxes.commit(
            name, owner, cursor, blocks={0: b"x"}, sighted=["<1@x>"], moves=moves
        )
        await mailboxes.count_trial(name, owner, 1, [1], by=1)
    await Tokens(store, clock).issue(TokenRecord(account=name))
    day = clock.now_ms() // 86_400_000
    await store.batch(
        [
            ("SADD", keys.account(name, "outboxes"), f"queue-{name}"),
            ("HSET", keys.of(name, f"outbox:queue-{name}"), "record", "x"),
            ("ZADD", keys.of(name, "schedule:submit"), 1, f"queue-{name}"),
            ("HSET", keys.of(name, "leases:submit"), f"queue-{name}", "t"),
            ("ZADD", keys.of(name, "failed:submit"), 1, f"queue-{name}"),
            ("SADD", keys.account(name, "lanes"), f"lane-{name}"),
            ("RPUSH", keys.of(name, f"lane:lane-{name}"), "1-0"),
            ("HSET", keys.of(name, f"lane-state:lane-{name}"), "attempts", "1"),
            ("ZADD", keys.of(name, "schedule:notify"), 1, f"lane-{name}"),
            ("HSET", keys.of(name, "leases:notify"), f"lane-{name}", "t"),
            ("HSET", keys.account(name, f"idempotency:{day}"), "k", "v"),
            ("HSET", keys.account(name, f"idempotency:{day - 1}"), "k", "v"),
            ("RPUSH", keys.account(name, "protocol-log"), "{}"),
        ]
    )


async def _without_versions(store: Store) -> dict[str, object]:
    """What the store holds beside the logs and the counters that live for ever."""
    names = await keys_of(store)
    for_ever = ("}:events", "}:owners-version", "}:layout")
    return {
        name: await store.command("DUMP", name) for name in names if not name.endswith(for_ever)
    }


@pytest.mark.parametrize("name", ODD_IDS)
async def test_deleting_an_account_leaves_zero_keys_of_it_and_touches_no_other(
    accounts: Accounts, store: Store, clock: FakeClock, name: str
) -> None:
    neighbour = f"{name}:1"
    await accounts.create(registration(neighbour), added(neighbour))
    await _fill(store, clock, neighbour)
    before = await _without_versions(store)
    await accounts.create(registration(name), added(name))
    await _fill(store, clock, name)
    await accounts.delete(name, deleted(name))
    assert await _without_versions(store) == before
    assert await accounts.find(name) is None
    assert (name, "accountDeleted") in await logged(store, name)


async def test_the_census_knows_every_kind_of_key_that_an_account_can_have(
    accounts: Accounts, store: Store, clock: FakeClock
) -> None:
    await accounts.create(registration("a"), added("a"))
    await _fill(store, clock, "a")
    names = {name.split("}:", 1)[1] for name in await keys_of(store)}
    personal = ("<account>", "<lane>", "<queue id>", "<id>")
    shapes = [shape.name.split("}:", 1)[1] for shape in SHAPES if shape.name.endswith(personal)]
    for shape in shapes:
        pattern = re.sub(r"<[a-z ]+>", ".+", shape)
        assert any(re.fullmatch(pattern, name) for name in names), shape


async def test_deleting_the_last_account_leaves_the_logs_and_the_epochs_only(
    accounts: Accounts, store: Store, clock: FakeClock
) -> None:
    await accounts.create(registration("a"), added("a"))
    await _fill(store, clock, "a")
    await accounts.delete("a", deleted("a"))
    of = store.keys.of
    assert await keys_of(store) == {of("a", "events"), of("a", "owners-version")}


async def test_an_account_of_ten_thousand_numbers_is_deleted(
    accounts: Accounts, store: Store
) -> None:
    await accounts.create(registration("a"), added("a"))
    await store.command("HSET", store.keys.account("a", "numbers"), "last", 10_000)
    await store.command("HSET", store.keys.index("a", 9_999), 0, b"x")
    await accounts.delete("a", deleted("a"))
    assert store.keys.index("a", 9_999) not in await keys_of(store)


async def test_a_change_wakes_the_owner_and_a_registration_the_coordinator(
    accounts: Accounts, owners: Owners, store: Store, clock: FakeClock
) -> None:
    wake = Wake(store, clock)
    topics = [worker_topic("w1"), ASSIGN_TOPIC]
    listening = asyncio.create_task(wake.run())
    try:
        while not (await store.command("PUBSUB", "NUMPAT")):
            await asyncio.sleep(0)
        for topic in topics:
            await wake.wait(topic, 0)
        await accounts.create(registration("a"), added("a"))
        assert await wake.wait(ASSIGN_TOPIC, 5)
        await owners.assign("a", "w1")
        assert await wake.wait(worker_topic("w1"), 5)
        await accounts.replace(registration("a", name="Other"))
        assert await wake.wait(worker_topic("w1"), 5)
        await accounts.delete("a", deleted("a"))
        assert await wake.wait(worker_topic("w1"), 5)
    finally:
        listening.cancel()
