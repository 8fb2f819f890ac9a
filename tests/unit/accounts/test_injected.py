"""Changes that arrive at every step of the dialogue (invariant I8), and answers that make no sense.

The small server of `demo` is real IMAP; what it says is bent at one point by the test.
"""

from __future__ import annotations

import asyncio

import pytest

from postroom.demo import imapd
from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.providers.imap.rounds import Rounds
from postroom.providers.imap.watch import WatchLimits
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.bending import LONG_AGO, bent, every_profile, flags_as_told, mail_of
from tests.unit.accounts.watching import World, imap_account, world

# The dialogue up to IDLE and one more pass.
STEPS = range(3, 17)


@pytest.fixture
def mail() -> MailStore:
    return mail_of(4)


@every_profile
@pytest.mark.parametrize("step", STEPS)
async def test_what_changes_at_any_step_is_told_exactly_once(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    mail: MailStore,
    step: int,
    hidden: tuple[str, ...],
    also: tuple[str, ...],
) -> None:
    inbox = mail.mailbox("u", "INBOX")
    # A message that goes before it was read is asked for three times more.
    monkeypatch.setattr("postroom.providers.imap.details.MISSING_DELAYS_MS", (10, 17, 29))

    def bend(number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        if number == step:
            inbox.set_flags(2, ("\\Seen",))
            inbox.remove([1])
            mail.deliver("u", message("injected"))
            answer.lines += session.news()

    async with bent(monkeypatch, mail, bend, hidden, also) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        mail.deliver("u", message("last"))

        def wanted() -> dict[str, tuple[str, ...]]:
            if 1 in inbox.messages:
                # The dialogue was over before this step.
                return dict.fromkeys(("old 0", "old 1", "old 2", "old 3", "last"), ())
            seen = ("\\Seen",)
            return {"old 1": seen, "old 2": (), "old 3": (), "injected": (), "last": ()}

        async def is_told() -> bool:
            return await flags_as_told(here) == wanted()

        try:
            await here.until(is_told)
        except TimeoutError:
            assert await flags_as_told(here) == wanted()


async def _synced_with_old_mail(here: World, server: ImapServer) -> None:
    await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
    await here.until_state("a", "connected")
    await here.until_told("a", "messageNew", 4)


async def test_a_listing_without_flags_removes_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    is_bent = False

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if is_bent and command.name == "UID FETCH" and command.arguments[0] == "1:*":
            answer.lines = [line.partition(b" FLAGS")[0] + b")\r\n" for line in answer.lines]

    hidden = ("CONDSTORE",)
    async with bent(monkeypatch, mail, bend, hidden) as server, world(store) as here:
        await _synced_with_old_mail(here, server)
        is_bent = True
        mail.mailbox("u", "INBOX").set_flags(2, ("\\Seen",))
        await here.sync("a")
        assert await here.told("a", "messageDeleted") == []
        is_bent = False
        mail.mailbox("u", "INBOX").set_flags(3, ("\\Seen",))
        await here.until_told("a", "messageUpdated", 2)


async def test_flags_told_while_the_mailbox_opens_are_not_lost(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    is_bent = False

    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal is_bent
        if is_bent and command.name == "EXAMINE" and command.arguments[0] == "INBOX":
            is_bent = False
            mail.mailbox("u", "INBOX").set_flags(2, ("\\Seen",))
            answer.lines += session.news()

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await _synced_with_old_mail(here, server)
        is_bent = True
        await here.sync("a")
        await here.until_told("a", "messageUpdated", 1)


@pytest.mark.parametrize("count", [b"0", b"99999999999999999999999", b""])
async def test_a_senseless_count_removes_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore, count: bytes
) -> None:
    bent_answers = 0
    is_bent = False

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal bent_answers
        if is_bent and command.name == "EXAMINE" and command.arguments[0] == "INBOX":
            bent_answers += 1
            line = b"* " + count + b" EXISTS\r\n" if count else b""
            answer.lines = [line if b"EXISTS" in old else old for old in answer.lines]

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await _synced_with_old_mail(here, server)
        is_bent = True
        here.watcher("a").request_sync()

        async def was_bent() -> bool:
            return bent_answers > 1

        await here.until(was_bent)
        is_bent = False
        mail.deliver("u", message("after"))
        await here.until_told("a", "messageNew", 5)
        assert await here.told("a", "messageDeleted") == []
        assert len(await here.told("a", "messageNew")) == 5


async def test_an_emptied_mailbox_is_told(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with (
        bent(monkeypatch, mail, lambda *_told: None) as server,
        world(store) as here,
    ):
        await _synced_with_old_mail(here, server)
        mail.mailbox("u", "INBOX").remove([1, 2, 3, 4])
        await here.until_told("a", "messageDeleted", 4)


async def test_the_index_of_one_main_mailbox_is_never_taken_for_that_of_the_next(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    mail.create("u", "A")
    mail.create("u", "B")
    mail.deliver("u", message("in a"), "A")
    mail.deliver("u", message("in b"), "B")
    async with bent(monkeypatch, mail, lambda *_told: None) as server, world(store) as here:
        account = imap_account("a", "u", server.port, notify_from=LONG_AGO, path=("A", "B"))
        await here.register(account)
        await here.until_told("a", "messageNew", 2)
        await here.until_state("a", "connected")
        mail.delete("u", "A")
        here.watcher("a").request_sync()
        await here.until_told("a", "mailboxDeleted")
        mail.deliver("u", message("more in b"), "B")
        await here.until_told("a", "messageNew", 3)
        assert await here.told("a", "mailboxReset") == []


async def test_a_server_that_refuses_the_idle_it_offers_is_polled(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async def refuse(dialogue: imapd._Dialogue, command: ClientCommand) -> None:
        await dialogue._finish(command, Answer("BAD Not today"))

    monkeypatch.setattr(imapd._Dialogue, "_idle", refuse)
    noops = asyncio.Event()

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        if command.name == "NOOP":
            noops.set()

    limits = WatchLimits(poll_s=0.05)
    async with bent(monkeypatch, mail, bend) as server, world(store, limits) as here:
        await _synced_with_old_mail(here, server)
        await asyncio.wait_for(noops.wait(), 10)
        assert (await here.status("a")).state == "connected"
        mail.deliver("u", message("polled"))
        await here.until_told("a", "messageNew", 5)


async def test_a_mailbox_that_never_holds_still_is_looked_at_at_a_pace(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    looks = 0

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal looks
        if command.name == "EXAMINE" and command.arguments[0] == "INBOX":
            looks += 1
            answer.end += "\r\n* 4 EXISTS"

    limits = WatchLimits(pace_s=3600.0)
    async with bent(monkeypatch, mail, bend) as server, world(store, limits) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))

        async def is_restless() -> bool:
            return looks > 6

        await here.until(is_restless)
        await asyncio.sleep(0.3)
        assert looks < 20
        # Asking for a round ends the pause.
        before = looks
        here.watcher("a").request_sync()

        async def has_looked() -> bool:
            return looks > before

        await here.until(has_looked)


@pytest.mark.parametrize("step", [2, 4, 6, 9, 12])
async def test_a_goodbye_at_any_step_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore, step: int
) -> None:
    left = 2

    def bend(number: int, session: Session, _command: ClientCommand, answer: Answer) -> None:
        nonlocal left
        if number == step and left:
            left -= 1
            answer.lines.append(b"* BYE Shutting down\r\n")
            session.is_over = True

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_told("a", "messageNew", 4)
        mail.deliver("u", message("last"))
        await here.until_told("a", "messageNew", 5)
        assert len(await flags_as_told(here)) == 5
        assert await here.told("a", "authenticationError") == []


async def test_a_crash_is_shown_as_a_lost_connection_and_healed(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    straight = Rounds.run
    is_broken = True

    async def crash(rounds: Rounds) -> None:
        if is_broken:
            raise KeyError("a bug")
        await straight(rounds)

    monkeypatch.setattr(Rounds, "run", crash)
    async with bent(monkeypatch, mail, lambda *_told: None) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "disconnected")
        is_broken = False
        await here.until_told("a", "messageNew", 4)


@every_profile
async def test_mail_that_comes_while_an_emptied_mailbox_is_looked_at_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    hidden: tuple[str, ...],
    also: tuple[str, ...],
) -> None:
    mail = mail_of(2)
    inbox = mail.mailbox("u", "INBOX")
    begun = 0
    news: list[bytes] = []

    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal begun, news
        begun += command.name == "ID"
        if command.name == "EXAMINE" and not inbox.messages:
            # The server has just told that the mailbox is empty; the next answer tells otherwise.
            mail.deliver("u", message("just now"))
            news = session.news()
        elif news:
            answer.lines, news = [*news, *answer.lines], []

    async with bent(monkeypatch, mail, bend, hidden, also) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        monkeypatch.setattr("postroom.providers.imap.passes.FULL_COMPARE_MS", 0)
        inbox.remove([1, 2])

        async def is_told() -> bool:
            return set(await flags_as_told(here)) == {"just now"}

        await here.until(is_told)
        assert begun == 1
