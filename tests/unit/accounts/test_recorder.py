"""What the recorder writes: states, runs of errors, and nothing for a stale owner."""

from __future__ import annotations

import asyncio

import pytest

from postroom.accounts.recorder import AccountRecorder
from postroom.clock import iso
from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer
from postroom.errors import (
    AuthenticationRefused,
    ConnectFailed,
    ConnectionClosing,
    DeadlineExceeded,
    Fenced,
)
from postroom.events.log import EventLog
from postroom.model.account import AccountState
from postroom.model.mailbox import MailboxCursor
from postroom.model.message import MessageDetail
from postroom.providers.interface import MailboxChange
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.store.mailboxes import Mailboxes
from tests.fakes.clock import FakeClock
from tests.unit.accounts.watching import imap_account

DAY_S = 24 * 3600.0


class Desk:
    """A registered account, its owner and its recorder."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.accounts = Accounts(store, Sealer(None), clock)
        self.owners = Owners(store, Members(store, clock))

    async def recorder(self) -> AccountRecorder:
        await self.accounts.create(imap_account("a", "u", 143), [])
        owner = await self.owners.assign("a", "w1")
        _, status = await self.accounts.get_with_status("a")
        return AccountRecorder(
            "a",
            owner,
            status,
            accounts=self.accounts,
            mailboxes=Mailboxes(self.store),
            clock=self.clock,
        )

    async def told(self) -> list[str]:
        logged = await EventLog(self.store).read(partition_of("a"))
        return [str(entry.event.event) for entry in logged]

    async def state(self) -> AccountState:
        return (await self.accounts.get_with_status("a"))[1].state


async def connect(recorder: AccountRecorder) -> None:
    await recorder.connecting()
    await recorder.authenticated("u")
    await recorder.syncing()
    await recorder.synced()


async def test_success_and_initialization_are_told_once(store: Store, clock: FakeClock) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    await connect(recorder)
    await recorder.failed(ConnectionClosing("gone"))
    assert await desk.state() == "disconnected"
    await connect(await desk.recorder())
    assert await desk.told() == ["authenticationSuccess", "accountInitialized"]


async def test_equal_errors_are_told_once_even_by_the_next_owner(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    for text in ("no", "still no"):
        recorder = await desk.recorder()
        await recorder.taken()
        await recorder.connecting()
        await recorder.failed(AuthenticationRefused(text))
    assert await desk.told() == ["authenticationError"]
    _, status = await desk.accounts.get_with_status("a")
    assert status.last_error is not None
    assert (status.last_error.count, status.last_error.response) == (2, "still no")
    assert status.last_error.first == iso(clock.now_ms())


async def test_another_error_is_told_and_so_is_the_success_after_it(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    await connect(recorder)
    for code in ("ECONNREFUSED", "ECONNREFUSED", "ETIMEDOUT"):
        await recorder.connecting()
        await recorder.failed(ConnectFailed("down", code=code))
        assert await desk.state() == "connectError"
    await connect(recorder)
    assert (await desk.told())[2:] == ["connectError", "connectError", "authenticationSuccess"]


async def test_refusals_disable_the_account_after_the_window(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    for _ in range(4):
        account = await desk.accounts.get("a")
        assert account.imap is not None
        assert not account.imap.disabled
        await recorder.connecting()
        await recorder.failed(AuthenticationRefused("no"))
        await clock.advance(DAY_S)
    account = await desk.accounts.get("a")
    assert account.imap is not None
    assert account.imap.disabled


@pytest.mark.parametrize("days", [-4, 4, 400])
async def test_a_wall_clock_that_is_set_disables_no_account(
    store: Store, clock: FakeClock, days: int
) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    for _ in range(3):
        await recorder.connecting()
        await recorder.failed(AuthenticationRefused("no"))
        clock.set_wall(days * DAY_S)
    account = await desk.accounts.get("a")
    assert account.imap is not None
    assert not account.imap.disabled


async def test_a_run_of_refusals_goes_on_under_the_next_owner(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    for _ in range(2):
        recorder = await desk.recorder()
        await recorder.taken()
        await recorder.connecting()
        await recorder.failed(AuthenticationRefused("no"))
        await clock.advance(3 * DAY_S)
    account = await desk.accounts.get("a")
    assert account.imap is not None
    assert account.imap.disabled


async def test_a_mailbox_that_cannot_be_synchronised_is_shown_until_all_can(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    await connect(recorder)
    await recorder.syncing()
    await recorder.not_synced("Bad", "No such luck")
    await recorder.synced(is_whole=False)
    _, status = await desk.accounts.get_with_status("a")
    told = {"path": "Bad", "time": iso(clock.now_ms()), "error": "No such luck"}
    assert (status.state, status.sync_error) == ("connected", told)
    await recorder.syncing()
    await recorder.synced()
    assert (await desk.accounts.get_with_status("a"))[1].sync_error is None


async def test_the_number_of_connections_changes_nothing_else(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    await connect(recorder)
    await recorder.connected(3)
    _, status = await desk.accounts.get_with_status("a")
    assert (status.state, status.connections) == ("connected", 3)
    await recorder.failed(ConnectionClosing("gone"))
    assert (await desk.accounts.get_with_status("a"))[1].connections == 0


async def test_a_timeout_never_disables_the_account(store: Store, clock: FakeClock) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    for _ in range(6):
        await recorder.connecting()
        await recorder.failed(DeadlineExceeded("slow"))
        await clock.advance(DAY_S)
    account = await desk.accounts.get("a")
    assert account.imap is not None
    assert not account.imap.disabled
    assert await desk.state() == "connectError"


async def test_a_stale_owner_writes_nothing(store: Store, clock: FakeClock) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    await desk.owners.assign("a", "w2")
    cursor = MailboxCursor(path="INBOX", uid_validity=1, number=1)
    change = MailboxChange(cursor=cursor, blocks={0: b"x"}, added=[MessageDetail(id="m")])
    with pytest.raises(Fenced):
        await recorder.record(change)
    with pytest.raises(Fenced):
        await recorder.connecting()
    assert await desk.told() == []
    assert await Mailboxes(store).cursors("a") == {}
    assert await Mailboxes(store).blocks("a", 1) == {}


async def test_what_was_announced_when_the_connection_was_cut_off_is_not_announced_again(
    store: Store, clock: FakeClock
) -> None:
    desk = Desk(store, clock)
    recorder = await desk.recorder()
    await recorder.connecting()
    for signal in (recorder.authenticated("u"), recorder.syncing(), recorder.synced()):
        telling = asyncio.create_task(signal)
        # Begun, and cancelled while the store has it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        telling.cancel()
        await asyncio.wait([telling])
        await asyncio.gather(telling, return_exceptions=True)
    await connect(recorder)
    told = await desk.told()
    assert sorted(told) == ["accountInitialized", "authenticationSuccess"]
