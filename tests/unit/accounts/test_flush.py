"""Flushing an account: its indexes are built anew, whatever is killed meanwhile (contract I11)."""

from __future__ import annotations

import asyncio

import pytest

from postroom.accounts.service import FLUSH_MOST_MS, AccountService, is_flushing
from postroom.clock import SystemClock, iso
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import TooManyRequests
from postroom.model.account import Account, AccountStatus
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.bending import HOUR_MS, LONG_AGO, bent, mail_of
from tests.unit.accounts.watching import World, imap_account, world

NOW = 1_795_000_000_000


@pytest.fixture
def mail() -> MailStore:
    store = mail_of(4)
    store.mailbox("u", "Archive").add(message("archived"), (), store.now_ms() - HOUR_MS)
    return store


def _nothing(*_told: object) -> None:
    """An answer that stays straight."""


def _service(here: World) -> AccountService:
    return AccountService(here.accounts, SystemClock())


async def _synced(here: World, server: ImapServer, **more: object) -> None:
    await here.register(imap_account("a", "u", server.port, **more))
    await here.until_state("a", "connected")


async def _until_flushed(here: World) -> None:
    async def is_over() -> bool:
        account, status = await here.accounts.get_with_status("a")
        cursors = (await here.mailboxes.cursors("a")).values()
        is_anew = all(one.flushed_ms == account.flushed_ms and one.is_complete for one in cursors)
        return is_anew and not is_flushing(account, status, SystemClock().now_ms())

    await here.until(is_over)
    await here.until_state("a", "connected")


async def test_a_flush_builds_the_index_anew_and_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with bent(monkeypatch, mail, _nothing) as server, world(store) as here:
        await _synced(here, server, notify_from=LONG_AGO)
        before = await here.mailboxes.cursors("a")
        told = len(await here.events("a"))
        await _service(here).flush("a")
        await _until_flushed(here)
        after = await here.mailboxes.cursors("a")
        assert {path: one.number for path, one in after.items()} == {
            path: one.number for path, one in before.items()
        }
        assert after["INBOX"].messages == 4
        assert len(await here.events("a")) == told
        mail.deliver("u", message("new"))
        mail.mailbox("u", "INBOX").set_flags(1, ("\\Seen",))
        mail.mailbox("u", "INBOX").remove([2])
        await here.until_told("a", "messageNew", 6)
        await here.until_told("a", "messageUpdated")
        await here.until_told("a", "messageDeleted")


async def test_a_flush_announces_what_its_notify_from_reaches(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with bent(monkeypatch, mail, _nothing) as server, world(store) as here:
        await _synced(here, server, notify_from=LONG_AGO)
        await _service(here).flush("a", notify_from=LONG_AGO)
        await _until_flushed(here)
        assert len(await here.told("a", "messageNew")) == 10


async def test_a_flush_may_change_the_indexer(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with bent(monkeypatch, mail, _nothing) as server, world(store) as here:
        await _synced(here, server)
        number = (await here.mailboxes.cursors("a"))["INBOX"].number
        assert await here.mailboxes.blocks("a", number)
        await _service(here).flush("a", indexer="fast")
        await _until_flushed(here)
        assert await here.mailboxes.blocks("a", number) == {}
        await _service(here).flush("a", indexer="full")
        await _until_flushed(here)
        assert await here.mailboxes.blocks("a", number)
        assert await here.told("a", "messageNew") == []


async def test_a_worker_killed_in_the_middle_of_a_flush_leaves_one_that_goes_on(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with bent(monkeypatch, mail, _nothing) as server:
        async with world(store) as here:
            await _synced(here, server)
            numbers = {one.number for one in (await here.mailboxes.cursors("a")).values()}
        # Nobody holds the account any more: of the flush there is the record alone.
        await _service(here).flush("a")
        with pytest.raises(TooManyRequests):
            await _service(here).flush("a")
        for _ in range(3):
            async with world(store) as here:
                await asyncio.sleep(0.05)
        async with world(store) as here:
            await _until_flushed(here)
            cursors = await here.mailboxes.cursors("a")
            assert {one.number for one in cursors.values()} == numbers
            assert await here.told("a", "messageNew") == []
            assert await here.told("a", "mailboxNew") == []
            assert await here.told("a", "mailboxReset") == []


async def test_flushes_at_the_same_time_are_one(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with bent(monkeypatch, mail, _nothing) as server, world(store) as here:
        await _synced(here, server)
        results = await asyncio.gather(
            *(_service(here).flush("a") for _ in range(5)), return_exceptions=True
        )
        assert len([one for one in results if one is None]) == 1
        refused = [one for one in results if one is not None]
        assert all(isinstance(one, TooManyRequests) for one in refused)
        assert {getattr(one, "public_code", None) for one in refused} == {"LockFail"}


def test_a_flush_is_over_with_the_next_full_round_or_after_a_while() -> None:
    account = Account(account="a", flushed_ms=NOW)
    assert is_flushing(account, AccountStatus(), NOW + 1)
    assert is_flushing(account, AccountStatus(sync_time=iso(NOW - 1)), NOW + 1)
    assert not is_flushing(account, AccountStatus(sync_time=iso(NOW + 1)), NOW + 2)
    assert not is_flushing(account, AccountStatus(), NOW + FLUSH_MOST_MS)
    assert not is_flushing(Account(account="a"), AccountStatus(), NOW)
