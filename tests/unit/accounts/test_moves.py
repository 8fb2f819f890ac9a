"""Moves are told once, whichever end of them is seen first (setting notifyMoved)."""

from __future__ import annotations

import asyncio

import pytest

from postroom.accounts.moves import Moves, Place, Trace
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.model.mailbox import MailboxCursor
from postroom.model.message import MessageDetail
from postroom.providers.interface import MailboxChange, Removed
from postroom.store import mailboxes as mailboxes_module
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.bending import LONG_AGO
from tests.unit.accounts.watching import World, imap_account, world


@pytest.fixture
def mail() -> MailStore:
    store = MailStore()
    store.add_account("u", "secret")
    store.deliver("u", message("one"))
    return store


async def _watched(here: World, server: ImapServer, *, tells: bool = True) -> None:
    await here.settings.put({"notifyMoved": tells})
    await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
    await here.until_state("a", "connected")
    await here.until_told("a", "messageNew")


def _move(mail: MailStore, source: str, target: str) -> None:
    """Move the one message of a mailbox; ids of the message stay."""
    (kept,) = mail.mailbox("u", source).messages.values()
    mail.mailbox("u", target).add(kept.raw, kept.flags, kept.internal_date_ms, kept)
    mail.mailbox("u", source).remove([kept.uid])


async def test_a_move_away_and_back_is_told_twice_and_each_time_once(
    store: Store, mail: MailStore
) -> None:
    server = ImapServer(mail, also=("OBJECTID",))
    await server.start()
    try:
        async with world(store) as here:
            await _watched(here, server)
            # Away: the deletion is heard at once, the arrival found by the round.
            _move(mail, "INBOX", "Archive")
            await here.until_told("a", "messageDeleted")
            assert await here.told("a", "messageMoved") == []
            await here.sync("a")
            (away,) = await here.told("a", "messageMoved")
            # Back: the arrival is heard at once, the deletion found by the round.
            _move(mail, "Archive", "INBOX")
            await here.until_told("a", "messageNew", 3)
            await here.sync("a")
            await here.sync("a")
            moved = await here.told("a", "messageMoved")
            assert [(one.path, one.data["previous"]["path"]) for one in moved] == [
                ("Archive", "INBOX"),
                ("INBOX", "Archive"),
            ]
            ids = [one.data["id"] for one in await here.told("a", "messageNew")]
            assert [one.data["previous"]["id"] for one in moved] == ids[:2]
            assert [one.data["id"] for one in moved] == ids[1:]
            assert len(await here.told("a", "messageDeleted")) == 2
            assert away.data["emailId"]
    finally:
        await server.stop()


@pytest.mark.parametrize("also", [("OBJECTID",), ()])
async def test_without_the_setting_or_a_stable_id_no_move_is_told(
    store: Store, mail: MailStore, also: tuple[str, ...]
) -> None:
    server = ImapServer(mail, also=also)
    await server.start()
    try:
        async with world(store) as here:
            await _watched(here, server, tells=not also)
            _move(mail, "INBOX", "Archive")
            await here.until_told("a", "messageDeleted")
            await here.sync("a")
            await here.until_told("a", "messageNew", 2)
            assert await here.told("a", "messageMoved") == []
            assert not await here.mailboxes.moved_notes("a", ["i", "e"])
    finally:
        await server.stop()


async def test_a_move_is_told_once_across_kills(store: Store, mail: MailStore) -> None:
    server = ImapServer(mail, also=("OBJECTID",))
    await server.start()
    try:
        async with world(store) as here:
            await _watched(here, server)
            _move(mail, "INBOX", "Archive")
            await here.until_told("a", "messageDeleted")
        for _ in range(3):
            async with world(store) as here:
                await asyncio.sleep(0.05)
        async with world(store) as here:
            await here.until_state("a", "connected")
            await here.sync("a")
            assert len(await here.told("a", "messageMoved")) == 1
    finally:
        await server.stop()


async def test_what_is_remembered_of_moves_has_a_bound(
    store: Store, mail: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes_module, "MOVES_KEPT", 6)
    for number in range(20):
        mail.deliver("u", message(f"more {number}"))
    server = ImapServer(mail, also=("OBJECTID",))
    await server.start()
    try:
        async with world(store) as here:
            await _watched(here, server)
            await here.until_told("a", "messageNew", 21)
            keys = [store.keys.account("a", noun) for noun in ("moves", "moves-order")]
            assert await store.command("HLEN", keys[0]) == 6
            assert await store.command("ZCARD", keys[1]) == 6
    finally:
        await server.stop()


A = Place(id="a", uid=1, path="INBOX")
B = Place(id="b", uid=2, path="INBOX")


def _step(*, new: str | None = None, gone: str | None = None) -> MailboxChange:
    cursor = MailboxCursor(path="INBOX", uid_validity=1, number=1)
    added = (MessageDetail(id=new, uid=2, email_id="E"),) if new else ()
    return MailboxChange(cursor, added=added, removed=(Removed(gone, 1),) if gone else ())


@pytest.mark.parametrize(
    ("trace", "step", "after", "told"),
    [
        (Trace(), _step(new="b"), Trace(here=B), False),
        (Trace(gone=A), _step(new="b"), Trace(here=B), True),
        (Trace(here=A), _step(new="b"), Trace(here=A, came=B), False),
        (Trace(here=B), _step(new="b"), Trace(here=B), False),
        (Trace(here=A), _step(gone="a"), Trace(gone=A), False),
        (Trace(here=A, came=B), _step(gone="a"), Trace(here=B), True),
        (Trace(here=B, came=A), _step(gone="a"), Trace(here=B), False),
    ],
)
def test_a_trace_follows_its_message(
    trace: Trace, step: MailboxChange, after: Trace, told: bool
) -> None:
    moves = Moves({"a": "E", "b": "E"}, {"E": trace})
    moves.take(step)
    assert moves.traces["E"] == after
    assert bool(moves.drafts) is told


def test_what_was_never_announced_is_not_followed() -> None:
    moves = Moves()
    moves.take(_step(gone="a"))
    assert (moves.notes, moves.drafts) == ({}, [])
