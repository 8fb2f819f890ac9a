"""Servers whose news come late, or never: noticed, and made up for (invariants I7, I14)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from postroom.demo import imapd
from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.providers.imap.watch import WatchLimits
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.test_injected import bent
from tests.unit.accounts.watching import QUICK, World, imap_account, world

# A round every second, as fast as the registration allows.
EVERY_SECOND = {"resync_delay": 1}


@pytest.fixture
def mail() -> MailStore:
    store = MailStore()
    store.add_account("u", "secret")
    return store


def unbent(_number: int, _session: Session, _command: ClientCommand, _answer: Answer) -> None:
    """The server as it is."""


async def _silent_idle(dialogue: imapd._Dialogue, command: ClientCommand) -> None:
    """IDLE that tells nothing, neither meanwhile nor at its end."""
    await dialogue._wire.write(b"+ idling\r\n")
    await dialogue._next(dialogue._side.next_line)
    await dialogue._finish(command, Answer("OK Idle ended"))


async def _late_idle(dialogue: imapd._Dialogue, command: ClientCommand) -> None:
    """IDLE that tells at its end only."""
    await dialogue._wire.write(b"+ idling\r\n")
    await dialogue._next(dialogue._side.next_line)
    await dialogue._finish(command, Answer("OK Idle ended", dialogue._session.news()))


async def registered(here: World, server: ImapServer, **imap: object) -> None:
    await here.register(imap_account("a", "u", server.port, imap=dict(imap)))
    await here.until_state("a", "connected")


async def is_deaf(here: World) -> bool:
    return bool(here.watcher("a")._ear.is_deaf)


async def eventually(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.02)


async def test_an_idle_that_tells_nothing_is_noticed_by_a_round_and_polled_from_then_on(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    monkeypatch.setattr(imapd._Dialogue, "_idle", _silent_idle)
    limits = WatchLimits(poll_s=0.05, reconnect=QUICK.reconnect)
    async with bent(monkeypatch, mail, unbent) as server, world(store, limits) as here:
        await registered(here, server, **EVERY_SECOND)
        # The first round was at the start; this one is found by the next round only.
        mail.deliver("u", message("found by a round"))
        await here.until_told("a", "messageNew")
        await here.until(lambda: is_deaf(here))
        mail.deliver("u", message("found by a poll"))
        await here.until_told("a", "messageNew", 2)


async def test_a_deaf_connection_is_exchanged_once_and_trusted_again_when_it_hears(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    straight = imapd._Dialogue._idle
    monkeypatch.setattr(imapd._Dialogue, "_idle", _silent_idle)
    limits = WatchLimits(poll_s=0.1, reconnect=QUICK.reconnect)
    async with bent(monkeypatch, mail, unbent) as server, world(store, limits) as here:
        await registered(here, server, **EVERY_SECOND)
        mail.deliver("u", message("1"))
        await here.until(lambda: is_deaf(here))
        for count in range(2, 5):
            mail.deliver("u", message(str(count)))
            await here.until_told("a", "messageNew", count)
            await here.until_state("a", "connected")
        assert here.watcher("a")._ear.mended_s is not None
        assert server.connections == 1
        monkeypatch.setattr(imapd._Dialogue, "_idle", straight)

        async def hears() -> bool:
            mail.mailbox("u", "INBOX").set_flags(1, (str(len(await here.events("a"))),))
            return not await is_deaf(here)

        await here.until(hears)


async def test_news_that_come_at_the_end_of_idle_are_late(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    monkeypatch.setattr(imapd._Dialogue, "_idle", _late_idle)
    limits = WatchLimits(poll_s=0.05, reconnect=QUICK.reconnect)
    async with bent(monkeypatch, mail, unbent) as server, world(store, limits) as here:
        await registered(here, server, **EVERY_SECOND)
        mail.deliver("u", message("late"))
        await here.until(lambda: is_deaf(here))
        await here.until_told("a", "messageNew")


async def test_a_healthy_server_is_never_taken_for_deaf(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async with bent(monkeypatch, mail, unbent) as server, world(store) as here:
        await registered(here, server, **EVERY_SECOND)
        for count in range(1, 4):
            mail.deliver("u", message(str(count)))
            await here.until_told("a", "messageNew", count)
            await here.sync("a")
            assert not await is_deaf(here)


async def test_idle_is_renewed_and_news_are_heard_in_each(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    straight = imapd._Dialogue._idle
    idles = 0

    async def counted(dialogue: imapd._Dialogue, command: ClientCommand) -> None:
        nonlocal idles
        idles += 1
        await straight(dialogue, command)

    monkeypatch.setattr(imapd._Dialogue, "_idle", counted)
    limits = WatchLimits(idle_s=0.05)
    async with bent(monkeypatch, mail, unbent) as server, world(store, limits) as here:
        await registered(here, server)
        for count in range(1, 4):
            before = idles
            await eventually(lambda before=before: idles > before + 2)
            mail.deliver("u", message(str(count)))
            await here.until_told("a", "messageNew", count)
        assert (await here.status("a")).state == "connected"


async def test_an_idle_that_is_never_answered_is_given_up_for_polling(
    monkeypatch: pytest.MonkeyPatch, store: Store, mail: MailStore
) -> None:
    async def ignore(dialogue: imapd._Dialogue, _command: ClientCommand) -> None:
        await dialogue._next(dialogue._side.next_line)

    monkeypatch.setattr(imapd._Dialogue, "_idle", ignore)
    monkeypatch.setattr("postroom.net.imap.IDLE_ANSWER_S", 0.05)
    limits = WatchLimits(poll_s=0.05, reconnect=QUICK.reconnect)
    async with bent(monkeypatch, mail, unbent) as server, world(store, limits) as here:
        await registered(here, server)
        await eventually(lambda: here.watcher("a")._ear.unanswered == 2)
        await here.until_state("a", "connected")
        mail.deliver("u", message("polled"))
        await here.until_told("a", "messageNew")
        assert here.watcher("a")._ear.unanswered == 2
        assert (await here.status("a")).state == "connected"
