"""NOTIFY: other mailboxes are looked at when the server tells of them, not a quarter hour later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postroom.demo import imapd
from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.imap.types import Listed, ListedMailbox, MailboxStatus, Overflowed, Told
from postroom.providers.imap.hints import MOST_HINTS, Hints
from postroom.providers.imap.watch import WatchLimits
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, message
from tests.unit.accounts.test_injected import bent
from tests.unit.accounts.watching import QUICK, World, imap_account, world


@pytest.fixture
def mail() -> MailStore:
    store = MailStore()
    store.add_account("u", "secret")
    return store


async def has_hints(here: World) -> bool:
    return bool(here.watcher("a")._has_hints)


async def watched(here: World, user: str, port: int, **more: object) -> None:
    await here.register(imap_account("a", user, port, **more))
    await here.until_state("a", "connected")
    await here.until(lambda: has_hints(here))


@pytest.mark.dovecot
async def test_other_mailboxes_are_looked_at_at_once(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await watched(here, "hints", dovecot.port)
        client = dovecot.client("hints")
        dovecot.deliver("hints", message("One"), "Sent")
        (new,) = await here.until_told("a", "messageNew")
        assert new.path == "Sent"
        client.select("Sent")
        client.store("1", "+FLAGS", "(\\Seen)")
        (updated,) = await here.until_told("a", "messageUpdated")
        assert updated.data["id"] == new.data["id"]
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
        await here.until_told("a", "messageDeleted")
        # The selected mailbox is listened to all the same.
        dovecot.deliver("hints", message("Two"))
        await here.until_told("a", "messageNew", 2)
        client.create("Fresh")
        await here.until_told("a", "mailboxNew")
        dovecot.deliver("hints", message("Three"), "Fresh")
        await here.until_told("a", "messageNew", 3)
        client.delete("Fresh")
        await here.until_told("a", "mailboxDeleted")
        # One round at the start, one for each change of the tree and one for proof.
        assert (await here.status("a")).state == "connected"


@asynccontextmanager
async def notifying(mail: MailStore) -> AsyncIterator[ImapServer]:
    server = ImapServer(mail, also=("NOTIFY",))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_news_of_the_main_mailbox_are_heard_while_another_is_open(
    store: Store, mail: MailStore
) -> None:
    mail.create("u", "Work")
    async with notifying(mail) as server, world(store) as here:
        await watched(here, "u", server.port)
        for count in range(1, 6):
            mail.deliver("u", message(f"work {count}"), "Work")
            mail.deliver("u", message(f"in {count}"))
            await here.until_told("a", "messageNew", 2 * count)
        assert len(set(await here.subjects("a"))) == 10


async def test_what_comes_right_after_a_look_is_not_left_for_the_next_round(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    """A mailbox that is open is not told of by NOTIFY, and is left without a word."""
    straight = imapd._answer
    is_late = False

    def late(session: Session, command: ClientCommand) -> Answer:
        nonlocal is_late
        if is_late and command.name == "EXAMINE" and command.arguments[0] == "INBOX":
            is_late = False
            mail.deliver("u", message("late"), "Work")
            assert session.reporter is not None
            session.reporter.lines()
        if command.name == "EXAMINE" and command.arguments[0] == "Work":
            is_late = len(mail.mailbox("u", "Work").messages) == 1
        return straight(session, command)

    monkeypatch.setattr(imapd, "_answer", late)
    mail.create("u", "Work")
    async with notifying(mail) as server, world(store) as here:
        await watched(here, "u", server.port)
        mail.deliver("u", message("early"), "Work")
        await here.until_told("a", "messageNew", 2)
        assert await here.subjects("a") == ["early", "late"]


async def test_a_mailbox_outside_the_filter_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    opened: list[str] = []
    lists = 0

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        nonlocal lists
        lists += command.name == "LIST"
        if command.name == "EXAMINE":
            opened.append(str(command.arguments[0]))

    for name in ("Work", "Play"):
        mail.create("u", name)
    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        server._capabilities = (*server._capabilities, "NOTIFY")
        await watched(here, "u", server.port, path=("INBOX", "Work"))
        mail.deliver("u", message("play"), "Play")
        mail.create("u", "Other")
        mail.deliver("u", message("work"), "Work")
        await here.until_told("a", "messageNew")
        assert set(opened) == {"INBOX", "Work"}
        assert lists == 1


async def test_a_server_that_refuses_notify_is_watched_by_rounds(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    asked: list[str] = []

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if command.name == "NOTIFY":
            asked.append(str(command.arguments))
            answer.end = "BAD [BADEVENT (FlagChange)] No" if len(asked) == 1 else "NO never"

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        server._capabilities = (*server._capabilities, "NOTIFY")
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        mail.deliver("u", message("in"))
        await here.until_told("a", "messageNew")
        await here.sync("a")
        assert len(asked) == 2
        assert not await has_hints(here)


async def test_an_overflow_ends_hints_and_not_the_listening(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    notifies: list[str] = []
    is_over = False

    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal is_over
        if command.name == "NOTIFY":
            notifies.append(str(command.arguments))
        elif is_over and command.name == "EXAMINE":
            is_over = False
            answer.lines.append(b"* OK [NOTIFICATIONOVERFLOW] Too much\r\n")

    mail.create("u", "Work")
    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        server._capabilities = (*server._capabilities, "NOTIFY")
        await watched(here, "u", server.port)
        is_over = True
        mail.deliver("u", message("first"), "Work")
        await here.until_told("a", "messageNew")

        async def has_renounced() -> bool:
            return len(notifies) > 1 and "personal" not in notifies[1]

        await here.until(has_renounced)
        mail.deliver("u", message("second"))
        await here.until_told("a", "messageNew", 2)
        assert (await here.status("a")).state == "connected"


async def test_a_flood_of_hints_is_followed_at_a_pace(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    looks = 0

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal looks
        if command.name == "EXAMINE" and command.arguments[0] == "Work":
            looks += 1
        if command.name == "EXAMINE" and looks:
            answer.lines.append(b"* STATUS Work (MESSAGES 7 UIDNEXT %d)\r\n" % (99 + looks))

    # One without mail would not be opened by the first round.
    mail.create("u", "Work").add(message("old"), (), mail.now_ms() - 3_600_000)
    limits = WatchLimits(pace_s=3600.0, reconnect=QUICK.reconnect)
    async with bent(monkeypatch, mail, bend) as server, world(store, limits) as here:
        server._capabilities = (*server._capabilities, "NOTIFY")
        await watched(here, "u", server.port)
        mail.deliver("u", message("work"), "Work")
        await here.until_told("a", "messageNew")

        async def is_flooded() -> bool:
            return looks >= 6

        await here.until(is_flooded)
        await asyncio.sleep(0.3)
        assert looks < 12


def test_too_many_hints_are_one_round() -> None:
    hints = Hints()
    for number in range(MOST_HINTS + 1):
        assert hints.hear(Told(MailboxStatus(f"M{number}", messages=1)))
    assert hints.needs_round
    assert not hints.statuses


def test_a_listed_mailbox_says_whether_it_is_there() -> None:
    hints = Hints()
    hints.hear(Listed("LIST", ListedMailbox("New", "/")))
    hints.hear(Listed("LIST", ListedMailbox("Gone", "/", frozenset({"\\NonExistent"}))))
    assert hints.names == {"New": True, "Gone": False}
    assert not hints.needs_round
    hints.hear(Overflowed())
    assert hints.needs_round
    assert hints.has_overflowed
