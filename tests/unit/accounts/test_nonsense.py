"""Servers that tell nonsense: it never becomes state, and the truth is told in the end (I10)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from postroom.demo.imap_session import Answer, Session
from postroom.imap.server import ClientCommand
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.bending import LONG_AGO, bent, every_profile, flags_as_told, mail_of
from tests.unit.accounts.watching import World, imap_account, world

Lines = Callable[[list[bytes]], list[bytes]]
SEEN = ("\\Seen",)


def _each(pattern: bytes, by: bytes) -> Lines:
    return lambda lines: [re.sub(pattern, by, line) for line in lines]


def _without(pattern: bytes) -> Lines:
    return lambda lines: [line for line in lines if not re.search(pattern, line)]


# What the server says wrong, and in the answers to which commands.
OPENING = ("EXAMINE",)
LISTING = ("UID FETCH", "EXAMINE")
NONSENSE: dict[str, tuple[tuple[str, ...], Lines]] = {
    "too many exist": (OPENING, _each(rb"\* \d+ EXISTS", rb"* 900 EXISTS")),
    "too few exist": (OPENING, _each(rb"\* \d+ EXISTS", rb"* 1 EXISTS")),
    "UIDNEXT 0": (OPENING, _each(rb"UIDNEXT \d+", rb"UIDNEXT 0")),
    "UIDNEXT huge": (OPENING, _each(rb"UIDNEXT \d+", rb"UIDNEXT 99999999999999")),
    "no UIDNEXT": (OPENING, _without(rb"UIDNEXT")),
    "UIDVALIDITY 0": (OPENING, _each(rb"UIDVALIDITY \d+", rb"UIDVALIDITY 0")),
    "UIDVALIDITY low": (OPENING, _each(rb"UIDVALIDITY \d+", rb"UIDVALIDITY 3")),
    "UIDVALIDITY high": (OPENING, _each(rb"UIDVALIDITY \d+", rb"UIDVALIDITY 4294967295")),
    "no UIDVALIDITY": (OPENING, _without(rb"UIDVALIDITY")),
    "HIGHESTMODSEQ falls": (OPENING, _each(rb"HIGHESTMODSEQ \d+", rb"HIGHESTMODSEQ 1")),
    "HIGHESTMODSEQ 0": (OPENING, _each(rb"HIGHESTMODSEQ \d+", rb"HIGHESTMODSEQ 0")),
    "no HIGHESTMODSEQ": (OPENING, _without(rb"HIGHESTMODSEQ")),
    "NOMODSEQ": (OPENING, _each(rb"HIGHESTMODSEQ \d+", rb"NOMODSEQ")),
    "no MODSEQ": (LISTING, _each(rb" MODSEQ \(\d+\)", rb"")),
    "no UID": (LISTING, _each(rb"UID \d+ ?", rb"")),
    "no FLAGS": (("UID FETCH",), _each(rb" ?FLAGS \([^)]*\)", rb"")),
    "the same UID": (LISTING, _each(rb"UID [34]\b", rb"UID 2")),
    "UID 0": (LISTING, _each(rb"UID 3\b", rb"UID 0")),
    "UID huge": (LISTING, _each(rb"UID 3\b", rb"UID 99999999999")),
    "backwards": (LISTING, lambda lines: lines[::-1]),
    "everything twice": (LISTING, lambda lines: [one for line in lines for one in (line, line)]),
    "a part only": (("UID FETCH",), lambda lines: lines[:2]),
    "nothing": (("UID FETCH",), lambda lines: []),
    "vanished beyond": (
        OPENING,
        lambda lines: [*lines, b"* VANISHED (EARLIER) 900:4294967294\r\n"],
    ),
}


@every_profile
@pytest.mark.parametrize("nonsense", NONSENSE)
async def test_nonsense_is_survived_and_the_truth_told_afterwards(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    nonsense: str,
    hidden: tuple[str, ...],
    also: tuple[str, ...],
) -> None:
    monkeypatch.setattr("postroom.providers.imap.details.MISSING_DELAYS_MS", (1, 1, 1))
    mail = mail_of(4)
    inbox = mail.mailbox("u", "INBOX")
    commands, wrong = NONSENSE[nonsense]
    is_bent, bent_answers = False, 0

    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal bent_answers
        is_inbox = session.view is not None and session.view.mailbox is inbox
        if is_bent and is_inbox and command.name in commands:
            bent_answers += 1
            answer.lines = wrong(answer.lines)

    async with bent(monkeypatch, mail, bend, hidden, also) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        assert len(await flags_as_told(here)) == 4
        is_bent = True
        inbox.set_flags(2, SEEN)
        mail.deliver("u", message("while bent"))
        here.watcher("a").request_sync()

        async def was_bent() -> bool:
            return bent_answers >= 1

        await _patiently(here, was_bent)
        is_bent = False
        inbox.remove([1])
        mail.deliver("u", message("after"))
        here.watcher("a").request_reconnect()
        truth = {"old 1": SEEN, "old 2": (), "old 3": (), "while bent": (), "after": ()}

        async def is_told() -> bool:
            return await flags_as_told(here) == truth

        await _patiently(here, is_told)
        assert await flags_as_told(here) == truth
        assert await here.told("a", "mailboxReset") == []
        cursor = (await here.mailboxes.cursors("a"))["INBOX"]
        assert cursor.messages == 5


async def test_a_change_that_the_server_hides_is_found_and_noted(
    monkeypatch: pytest.MonkeyPatch, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    mail = mail_of(4)
    async with (
        bent(monkeypatch, mail, lambda *_told: None) as server,
        world(store) as here,
    ):
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        # Neither MODSEQ nor a word to those who listen.
        mail.mailbox("u", "INBOX").messages[3].flags = SEEN
        await here.sync("a")
        assert await here.told("a", "messageUpdated") == []
        monkeypatch.setattr("postroom.providers.imap.passes.FULL_COMPARE_MS", 0)
        await here.sync("a")
        (told,) = await here.told("a", "messageUpdated")
        assert told.data["changes"]["flags"]["value"] == list(SEEN)
        (noted,) = [one for one in capfd.readouterr().err.splitlines() if "mailbox.healed" in one]
        assert json.loads(noted)["changed"] == 1


async def _patiently(here: World, holds: Callable[[], object]) -> None:
    """Wait, but leave it to the test to say what is wrong."""
    try:
        await here.until(holds)
    except TimeoutError:
        return
