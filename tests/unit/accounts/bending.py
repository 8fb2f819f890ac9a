"""The small server of `demo`, real IMAP, with answers that a test may bend at any point."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from postroom.demo import imapd
from postroom.demo.imap_session import Answer, Session
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from tests.fakes.dovecot import message
from tests.unit.accounts.watching import World

# Called with the number of the command on its connection, the session, the command, its answer.
# A TimeoutError ends the connection instead of an answer.
Bend = Callable[[int, Session, ClientCommand, Answer], None]
# What a server offers: (hidden, also), as `bent` takes them.
PROFILES = {
    "qresync": ((), ("QRESYNC", "ESEARCH")),
    "condstore": ((), ()),
    "plain": (("CONDSTORE",), ()),
}
every_profile = pytest.mark.parametrize(("hidden", "also"), PROFILES.values(), ids=PROFILES.keys())
HOUR_MS = 3_600_000
LONG_AGO = "2001-01-01T00:00:00.000Z"


def mail_of(count: int) -> MailStore:
    """The mail of `u`, with so many messages of an hour ago in INBOX."""
    store = MailStore()
    store.add_account("u", "secret")
    for number in range(count):
        store.mailbox("u", "INBOX").add(message(f"old {number}"), (), store.now_ms() - HOUR_MS)
    return store


@asynccontextmanager
async def bent(
    monkeypatch: pytest.MonkeyPatch,
    mail: MailStore,
    bend: Bend,
    hidden: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> AsyncIterator[ImapServer]:
    """The small server; `bend` may change each answer before it is sent."""
    straight = imapd._answer
    counts: dict[int, int] = {}

    def answer(session: Session, command: ClientCommand) -> Answer:
        given = straight(session, command)
        counts[id(session)] = counts.get(id(session), 0) + 1
        bend(counts[id(session)], session, command, given)
        return given

    monkeypatch.setattr(imapd, "_answer", answer)
    server = ImapServer(mail, hidden=hidden, also=also)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def flags_as_told(here: World) -> dict[str, tuple[str, ...]]:
    """Subject -> flags as a client knows them who heard all events."""
    known: dict[str, tuple[str, ...]] = {}
    subjects: dict[str, str] = {}
    for event in await here.events("a"):
        data = event.data
        if event.event == "messageNew":
            assert data["id"] not in subjects, "announced twice"
            subjects[data["id"]] = data["subject"]
            known[data["subject"]] = tuple(sorted(data.get("flags") or ()))
        elif event.event == "messageDeleted":
            assert data["id"] in subjects, "gone, never announced"
            known.pop(subjects.pop(data["id"]))
        elif event.event == "messageUpdated":
            known[subjects[data["id"]]] = tuple(sorted(data["changes"]["flags"]["value"]))
    return known
