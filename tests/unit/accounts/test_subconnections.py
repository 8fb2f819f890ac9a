"""Mailboxes with a connection of their own (contract I3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postroom.demo import imapd
from postroom.demo.gmail import ALL_MAIL, SPAM, add_gmail_account
from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.model.mailbox import Mailbox
from postroom.providers.imap import rounds, subconnections
from postroom.providers.imap.subconnections import MOST_SUBCONNECTIONS, wanted_subconnections
from postroom.providers.imap.watch import WatchLimits
from postroom.store.connection import Store
from tests.fakes.dovecot import message, running_dovecot
from tests.unit.accounts.test_injected import bent, flags_as_told
from tests.unit.accounts.watching import World, imap_account, world

INBOX = Mailbox(path="INBOX", name="INBOX", special_use="\\Inbox")
JUNK = Mailbox(path="Spam", name="Spam", special_use="\\Junk")
WORK = Mailbox(path="Work", name="Work")
LONG_AGO = "2001-01-01T00:00:00.000Z"


@pytest.fixture
def mail() -> MailStore:
    store = MailStore()
    store.add_account("u", "secret")
    store.create("u", "Work")
    return store


@asynccontextmanager
async def serving(mail: MailStore, *also: str) -> AsyncIterator[ImapServer]:
    server = ImapServer(mail, also=also)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def cut_one(server: ImapServer) -> None:
    """Cut one of the connections, whichever."""
    wire = next(iter(server._wires), None)
    if wire is not None:
        wire.abort()


async def has_connections(here: World, count: int) -> bool:
    return (await here.status("a")).connections == count


async def watched(here: World, user: str, port: int, *named: str, **more: object) -> None:
    await here.register(imap_account("a", user, port, subconnections=named, **more))
    await here.until(lambda: has_connections(here, 1 + len(named)))


def paths(*named: str, is_gmail: bool = False, main: Mailbox = INBOX) -> list[str]:
    chosen = wanted_subconnections((INBOX, JUNK, WORK), main, named, is_gmail=is_gmail)
    return [mailbox.path for mailbox in chosen]


def test_mailboxes_are_named_by_path_or_special_use() -> None:
    assert paths("Work", "\\Junk") == ["Work", "Spam"]


def test_a_mailbox_gets_one_connection_however_often_it_is_named() -> None:
    assert paths("Spam", "\\junk", "Spam") == ["Spam"]


def test_the_main_mailbox_and_mailboxes_that_are_not_there_are_left_out() -> None:
    assert paths("INBOX", "\\Inbox", "Nowhere", "\\Sent") == []
    assert paths("Work", "INBOX", main=WORK) == ["INBOX"]


def test_on_gmail_only_trash_and_junk_get_one() -> None:
    assert paths("Work", "\\Junk", is_gmail=True) == ["Spam"]


def test_there_is_a_limit() -> None:
    many = [Mailbox(path=f"M{number}", name="") for number in range(MOST_SUBCONNECTIONS + 1)]
    named = [mailbox.path for mailbox in many]
    assert len(wanted_subconnections(many, None, named, is_gmail=False)) == MOST_SUBCONNECTIONS


@pytest.mark.dovecot
async def test_changes_are_announced_at_once_by_a_server_without_notify(store: Store) -> None:
    with running_dovecot("imap_capability = +IMAP4rev1 IDLE CONDSTORE UIDPLUS MOVE") as server:
        client = server.client("own")
        async with world(store) as here:
            await watched(here, "own", server.port, "Sent")
            server.deliver("own", message("Sent by hand"), "Sent")
            (new,) = await here.until_told("a", "messageNew")
            assert (new.path, new.special_use) == ("Sent", "\\Sent")
            client.select("Sent")
            client.store("1", "+FLAGS", "(\\Flagged)")
            await here.until_told("a", "messageUpdated")
            client.store("1", "+FLAGS", "(\\Deleted)")
            client.expunge()
            await here.until_told("a", "messageDeleted")


async def test_a_round_that_is_asked_for_looks_at_their_mailboxes_too(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    """Without IDLE a sub-connection polls; nobody has to wait for that."""
    hidden = ("IDLE",)
    async with (
        bent(monkeypatch, mail, lambda *_told: None, hidden) as server,
        world(store) as here,
    ):
        await watched(here, "u", server.port, "Work")
        mail.deliver("u", message("polled"), "Work")
        await here.sync("a")
        assert await here.subjects("a") == ["polled"]


async def test_one_that_is_not_told_of_changes_is_noticed_by_a_round_and_polls(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async def silent(dialogue: imapd._Dialogue, command: ClientCommand) -> None:
        await dialogue._wire.write(b"+ idling\r\n")
        await dialogue._next(dialogue._side.next_line)
        await dialogue._finish(command, Answer("OK Idle ended"))

    monkeypatch.setattr(imapd._Dialogue, "_idle", silent)
    limits = WatchLimits(poll_s=0.05)
    async with serving(mail) as server, world(store, limits) as here:
        await watched(here, "u", server.port, "Work", imap={"resync_delay": 1})
        mail.deliver("u", message("found by a round"), "Work")

        async def is_doubted() -> bool:
            own = here.watcher("a")._subconnections.of("Work")
            return own is not None and own._ear.is_deaf

        await here.until(is_doubted)
        mail.deliver("u", message("found by a poll"), "Work")
        await here.until_told("a", "messageNew", 2)
        await here.until_state("a", "connected")


async def test_they_end_with_the_account(store: Store, mail: MailStore) -> None:
    async with serving(mail) as server, world(store) as here:
        await watched(here, "u", server.port, "Work", "Sent")
        assert server.connections == 3
        tasks = asyncio.all_tasks()
        await here.accounts.replace(imap_account("a", "u", server.port, imap={"disabled": True}))
        await here.until_state("a", "unset")
        async with asyncio.timeout(10):
            while server.connections:
                await asyncio.sleep(0.02)
        assert await has_connections(here, 0)
        left = [task for task in asyncio.all_tasks() - tasks if "Subconnection" in repr(task)]
        assert left == []


async def test_a_server_that_allows_one_connection_only_is_watched_by_rounds(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        # The first connection lists; the others do not get as far as opening a mailbox.
        if command.name == "EXAMINE" and command.arguments[0] == "Work" and server.connections > 1:
            answer.lines.append(b"* BYE [LIMIT] Too many connections\r\n")
            session.is_over = True

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, subconnections=("Work",)))
        await here.until_state("a", "connected")
        mail.deliver("u", message("found by a round"), "Work")

        async def is_told() -> bool:
            here.watcher("a").request_sync()
            return bool(await here.told("a", "messageNew"))

        await here.until(is_told)
        assert (await here.status("a")).last_error is None
        assert await here.told("a", "connectError") == []


async def test_a_cut_sub_connection_comes_back_and_nothing_is_lost_or_doubled(
    store: Store, mail: MailStore
) -> None:
    async with serving(mail) as server, world(store) as here:
        await watched(here, "u", server.port, "Work")
        for count in range(8):
            mail.deliver("u", message(f"work {count}"), "Work")
            if count % 2:
                here.watcher("a").request_sync()
            if count % 3 == 2:
                cut_one(server)
            await asyncio.sleep(0.03)
        await here.until_told("a", "messageNew", 8)
        await here.until(lambda: has_connections(here, 2))
        await here.sync("a")
        assert len(await here.subjects("a")) == 8


async def test_two_connections_never_work_on_one_mailbox_at_once(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    """Rounds at a rush, beside a sub-connection that is cut again and again."""
    inside: dict[str, int] = {}
    most: dict[str, int] = {}
    straight = rounds.sync_mailbox

    async def counted(desk: object, connection: object, mailbox: Mailbox, *rest: object) -> object:
        inside[mailbox.path] = inside.get(mailbox.path, 0) + 1
        most[mailbox.path] = max(most.get(mailbox.path, 0), inside[mailbox.path])
        try:
            return await straight(desk, connection, mailbox, *rest)  # type: ignore[arg-type]
        finally:
            inside[mailbox.path] -= 1

    monkeypatch.setattr(rounds, "sync_mailbox", counted)
    monkeypatch.setattr(subconnections, "sync_mailbox", counted)
    box = mail.mailbox("u", "Work")
    async with serving(mail) as server, world(store) as here:
        await watched(here, "u", server.port, "Work", notify_from=LONG_AGO)
        for count in range(60):
            uid = mail.deliver("u", message(f"{count}"), "Work")
            box.set_flags(uid, ("\\Seen",))
            here.watcher("a").request_sync()
            if count % 10 == 5:
                cut_one(server)
            await asyncio.sleep(0.01)
        await here.until_told("a", "messageNew", 60)

        async def is_settled() -> bool:
            return await flags_as_told(here) == {str(one): ("\\Seen",) for one in range(60)}

        await here.until(is_settled)
        assert most == dict.fromkeys(most, 1)
        assert (await here.status("a")).state in ("connected", "syncing")


async def test_a_mailbox_with_a_connection_of_its_own_can_go(store: Store, mail: MailStore) -> None:
    async with serving(mail) as server, world(store) as here:
        await watched(here, "u", server.port, "Work")
        mail.delete("u", "Work")
        here.watcher("a").request_sync()
        await here.until_told("a", "mailboxDeleted")
        await here.until(lambda: has_connections(here, 1))
        mail.create("u", "Work")
        here.watcher("a").request_sync()
        await here.until_told("a", "mailboxNew")
        await here.until(lambda: has_connections(here, 2))
        mail.deliver("u", message("again"), "Work")
        await here.until_told("a", "messageNew")


async def test_gmail_listens_on_all_mail_and_spam(store: Store) -> None:
    labels = MailStore()
    add_gmail_account(labels, "u", "secret")
    async with serving(labels, "X-GM-EXT-1") as server, world(store) as here:
        named = ("INBOX", "\\Junk")
        await here.register(imap_account("a", "u", server.port, subconnections=named))
        await here.until(lambda: has_connections(here, 2))
        labels.deliver("u", message("spam"), SPAM)
        labels.deliver("u", message("ham"))
        news = await here.until_told("a", "messageNew", 2)
        assert {event.path for event in news} == {SPAM, ALL_MAIL}
