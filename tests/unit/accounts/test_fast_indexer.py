"""The fast indexer: new messages, and nothing else (contract I4)."""

from __future__ import annotations

import asyncio

import pytest

from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.imap.server import ClientCommand
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.bending import LONG_AGO, bent, mail_of
from tests.unit.accounts.watching import World, imap_account, world


def _nothing(*_told: object) -> None:
    """An answer that stays straight."""


async def _synced(here: World, server: ImapServer, **more: object) -> None:
    account = imap_account("a", "u", server.port, imap_indexer="fast", **more)
    await here.register(account)
    await here.until_state("a", "connected")


async def test_new_messages_are_told_once_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(4)
    inbox = mail.mailbox("u", "INBOX")
    async with bent(monkeypatch, mail, _nothing) as server, world(store) as here:
        await _synced(here, server)
        mail.deliver("u", message("one"))
        await here.until_told("a", "messageNew", 1)
        inbox.set_flags(1, ("\\Seen",))
        inbox.remove([2, 5])
        mail.deliver("u", message("two"))
        mail.deliver("u", message("sent"), "Sent")
        await here.sync("a")
        await here.until_told("a", "messageNew", 3)
        assert await here.subjects("a") == ["one", "sent", "two"]
        events = {event.event for event in await here.events("a")}
        assert not events & {"messageUpdated", "messageDeleted", "mailboxReset"}
        cursor = (await here.mailboxes.cursors("a"))["INBOX"]
        assert (cursor.uid_next, await here.mailboxes.blocks("a", cursor.number)) == (7, {})


async def test_old_mail_is_told_as_far_as_notify_from_reaches(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(250)
    async with bent(monkeypatch, mail, _nothing) as server, world(store) as here:
        await _synced(here, server, notify_from=LONG_AGO)
        assert len(await here.told("a", "messageNew")) == 250
        await here.sync("a")
        assert len(await here.told("a", "messageNew")) == 250


async def test_a_first_look_that_is_cut_off_goes_on_where_it_was(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(350)
    cuts = 0

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        nonlocal cuts
        if command.name == "UID FETCH" and "ENVELOPE" in repr(command.arguments) and cuts < 3:
            cuts += 1
            if cuts != 2:
                raise TimeoutError

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await _synced(here, server, notify_from=LONG_AGO)
        assert cuts == 3
        ids = [event.data["id"] for event in await here.told("a", "messageNew")]
        assert len(ids) == len(set(ids)) == 350


@pytest.mark.parametrize("uid_next", [b"0", b"1", b"4294967295", b"nonsense"])
async def test_the_servers_uid_next_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, store: Store, uid_next: bytes
) -> None:
    mail = mail_of(3)

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if command.name == "EXAMINE":
            told = b"* OK [UIDNEXT " + uid_next + b"] Next\r\n"
            answer.lines = [told if b"UIDNEXT" in line else line for line in answer.lines]

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await _synced(here, server)
        mail.deliver("u", message("new"))
        await here.until_told("a", "messageNew", 1)
        await here.sync("a")
        await asyncio.sleep(0)
        assert await here.subjects("a") == ["new"]
