"""The mailbox that an account listens on: which it is, and that nothing keeps it waiting."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postroom.demo.gmail import ALL_MAIL, SPAM, TRASH, add_gmail_account
from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.net.wire import Wire
from postroom.providers.imap import history
from postroom.providers.imap.limits import BUSY_RECONNECTS, WatchLimits
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.test_injected import bent
from tests.unit.accounts.watching import QUICK, World, imap_account, world


@pytest.fixture
def mail() -> MailStore:
    store = MailStore()
    store.add_account("u", "secret")
    return store


async def connected(here: World, server: ImapServer, **more: object) -> None:
    await here.register(imap_account("a", "u", server.port, **more))
    await here.until_state("a", "connected")


@asynccontextmanager
async def gmail(labels: MailStore) -> AsyncIterator[ImapServer]:
    server = ImapServer(labels, also=("X-GM-EXT-1",))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_main_mailbox_that_refuses_to_open_hands_over_to_the_next(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    refusals = 0
    is_refused = True

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal refusals
        if is_refused and command.name == "EXAMINE" and command.arguments[0] == "INBOX":
            refusals += 1
            answer.end, answer.lines = "NO [INUSE] Somebody has it", []

    mail.create("u", "Work")
    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await connected(here, server, path=("INBOX", "Work"))
        assert refusals == history.REFUSALS
        fault = (await here.status("a")).sync_error
        assert fault is not None
        assert (fault["path"], fault["error"]) == ("INBOX", "Somebody has it")
        mail.deliver("u", message("at work"), "Work")
        await here.until_told("a", "messageNew")
        await here.sync("a")
        assert refusals == history.REFUSALS
        is_refused = False
        # Changed counters end the rest (contract I9).
        mail.deliver("u", message("in"))
        await here.sync("a")
        assert "INBOX" in await here.mailboxes.cursors("a")
        assert (await here.status("a")).sync_error is None
        mail.deliver("u", message("listened to"))
        await here.until_told("a", "messageNew", 3)


async def test_the_main_mailbox_is_served_during_a_round_over_many(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    steps: list[str] = []
    is_counting = False

    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        if not is_counting:
            return
        steps.append(f"{command.name} {command.arguments[0] if command.arguments else ''}")
        if steps.count("STATUS M10") == 1 and steps[-1] == "STATUS M10":
            mail.deliver("u", message("meanwhile"))
            answer.lines += session.news()

    for number in range(40):
        mail.create("u", f"M{number:02}")
    hidden = ("LIST-STATUS",)
    async with bent(monkeypatch, mail, bend, hidden) as server, world(store) as here:
        await connected(here, server)
        is_counting = True
        await here.sync("a")
        await here.until_told("a", "messageNew")
        round_ = steps[steps.index("STATUS M00") : steps.index("STATUS M39")]
        assert round_[round_.index("STATUS M10") + 1] == "EXAMINE INBOX"


async def test_a_round_that_opens_many_mailboxes_comes_back_to_the_main_one_in_between(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    opened: list[str] = []

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        if command.name == "EXAMINE":
            opened.append(str(command.arguments[0]))

    for number in range(8):
        mail.create("u", f"M{number}").add(message("old"), (), mail.now_ms())
    limits = WatchLimits(return_s=0.0)
    async with bent(monkeypatch, mail, bend) as server, world(store, limits) as here:
        await connected(here, server)
        # The first round opens every mailbox, and the main one after each of the others.
        assert opened[::2] == ["INBOX"] * len(opened[::2])
        assert len(set(opened)) > 8


async def test_the_main_mailbox_of_gmail_is_all_mail_and_labels_are_not_tracked(
    store: Store,
) -> None:
    labels = MailStore()
    add_gmail_account(labels, "u", "secret")
    async with gmail(labels) as server, world(store) as here:
        await connected(here, server)
        assert set(await here.mailboxes.cursors("a")) == {ALL_MAIL, TRASH, SPAM}
        labels.deliver("u", message("labelled"))
        (new,) = await here.until_told("a", "messageNew")
        assert new.path == ALL_MAIL


async def test_a_path_filter_rules_on_gmail_too(store: Store) -> None:
    labels = MailStore()
    add_gmail_account(labels, "u", "secret")
    async with gmail(labels) as server, world(store) as here:
        await connected(here, server, path=("INBOX", "\\Sent"))
        assert set(await here.mailboxes.cursors("a")) == {"INBOX", "[Gmail]/Sent Mail"}
        labels.deliver("u", message("in"))
        (new,) = await here.until_told("a", "messageNew")
        assert new.path == "INBOX"


async def test_a_round_asked_for_during_a_round_is_one_round_more(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    lists = 0
    asks = 0

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        nonlocal lists, asks
        if command.name != "LIST":
            return
        lists += 1
        while lists == 2 and asks < 3:
            asks += 1
            here.watcher("a").request_sync()

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await connected(here, server)
        here.watcher("a").request_sync()

        async def has_listed_again() -> bool:
            return lists == 3

        await here.until(has_listed_again)
        await here.sync("a")
        assert (lists, asks) == (4, 3)


async def test_reconnects_on_request_are_bounded_too(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    straight = ImapServer._serve
    connections = 0

    async def counted(server: ImapServer, wire: Wire) -> None:
        nonlocal connections
        connections += 1
        await straight(server, wire)

    monkeypatch.setattr(ImapServer, "_serve", counted)
    server = ImapServer(mail)
    await server.start()
    async with world(store, WatchLimits(reconnect=QUICK.reconnect)) as here:
        await connected(here, server)
        for _ in range(3 * BUSY_RECONNECTS):
            here.watcher("a").request_reconnect()
            await asyncio.sleep(0.03)
        assert connections == BUSY_RECONNECTS + 1
    await server.stop()


async def test_a_reconnect_asked_for_at_any_moment_leaves_the_account_watched(
    store: Store, mail: MailStore
) -> None:
    """Also at the very moment when the connection ends by itself."""
    server = ImapServer(mail)
    await server.start()
    async with world(store, dataclasses.replace(QUICK, busy_s=0.0)) as here:
        await connected(here, server)
        dice = random.Random(7)
        for _ in range(150):
            server.drop_connections()
            for _ in range(dice.randrange(12)):
                await asyncio.sleep(0)
            here.watcher("a").request_reconnect()
            if dice.random() < 0.3:
                await asyncio.sleep(dice.random() * 0.02)
        mail.deliver("u", message("still there"))
        await here.until_told("a", "messageNew")
        await here.until_state("a", "connected")
    await server.stop()


async def test_what_is_refused_is_forgotten_with_its_mailbox(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if command.name == "EXAMINE" and command.arguments[0] == "Bad":
            answer.end, answer.lines = "NO No", []

    mail.create("u", "Bad").add(message("old"), (), mail.now_ms())
    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await connected(here, server)
        assert set(here.watcher("a")._history.refusals) == {"Bad"}
        mail.delete("u", "Bad")
        await here.sync("a")
        assert here.watcher("a")._history.refusals == {}
        assert (await here.status("a")).sync_error is None


@pytest.mark.parametrize(
    ("refusal", "is_deleted"),
    [
        ("NO [NONEXISTENT] It is gone", True),
        ("NO It is gone", True),
        ("NO [UNAVAILABLE] The backend is away", False),
        ("NO [INUSE] Locked", False),
        ("BAD What?", False),
        (None, False),
    ],
)
async def test_a_mailbox_is_gone_only_when_the_server_says_so(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    mail: MailStore,
    refusal: str | None,
    is_deleted: bool,
) -> None:
    """Two listings lack it; what STATUS answers decides (invariant I11)."""
    is_hidden = False

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if is_hidden and command.name == "LIST":
            answer.lines = [line for line in answer.lines if b"Work" not in line]
        elif is_hidden and command.name == "STATUS" and refusal is not None:
            answer.end, answer.lines = refusal, []

    mail.create("u", "Work")
    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await connected(here, server)
        is_hidden = True
        for _ in range(3):
            await here.sync("a")
        assert bool(await here.told("a", "mailboxDeleted")) is is_deleted
        assert ("Work" in await here.mailboxes.cursors("a")) is not is_deleted


async def test_a_mailbox_at_which_the_server_hangs_up_does_not_keep_the_others_waiting(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    endings = 0
    is_deadly = True

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        nonlocal endings
        if is_deadly and command.name == "EXAMINE" and command.arguments[0] == "Broken":
            endings += 1
            raise TimeoutError

    mail.create("u", "Broken")
    mail.deliver("u", message("at the bottom"), "Broken")
    mail.create("u", "Work")
    mail.deliver("u", message("at work"), "Work")
    async with bent(monkeypatch, mail, bend) as server, world(store, QUICK) as here:
        await connected(here, server)
        assert endings == history.REFUSALS
        assert {"INBOX", "Work"} <= (await here.mailboxes.cursors("a")).keys()
        fault = (await here.status("a")).sync_error
        assert fault is not None
        assert fault["path"] == "Broken"
        is_deadly = False
        mail.deliver("u", message("again"), "Broken")
        await here.sync("a")
        assert (await here.mailboxes.cursors("a"))["Broken"].messages == 2
