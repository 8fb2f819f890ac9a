"""Whatever a server says in between, a command results in the same: a table of oddities, each put
between any two lines of the answers to several commands."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.imap.commands import Copy, Fetch, Find, ListMailboxes, Select, Status
from postroom.imap.commands.exchange import Command
from postroom.imap.sets import UidSet
from postroom.imap.types import (
    Alert,
    Bye,
    Exists,
    Expunged,
    Fetched,
    FetchedMessage,
    Unsolicited,
    Vanished,
)
from tests.unit.imap.dialogue import greeted, play

CAPABILITIES = "IMAP4rev1 ESEARCH LIST-STATUS CONDSTORE QRESYNC UIDPLUS"

ANSWERS: dict[str, tuple[Command[Any], tuple[bytes, ...]]] = {
    "search": (Find(), (b'* ESEARCH (TAG "P1") UID ALL 2,4:5',)),
    "list": (
        ListMailboxes(return_status=("MESSAGES",)),
        (b'* LIST () "/" a', b"* STATUS a (MESSAGES 1)", b'* LIST (\\Sent) "/" b'),
    ),
    "status": (Status("a"), (b"* STATUS a (MESSAGES 231 UIDNEXT 44292)",)),
    "fetch": (
        Fetch("5:6", "(UID FLAGS)"),
        (b"* 1 FETCH (UID 5 FLAGS (a))", b"* 2 FETCH (FLAGS () UID 6)", b"* 1 FETCH (UID 5)"),
    ),
    "copy": (Copy("5", "b"), (b"* OK [COPYUID 7 5 9] copied",)),
    "select": (
        Select("a"),
        (b"* FLAGS (x)", b"* OK [UIDVALIDITY 7] ok", b"* OK [UIDNEXT 9] ok", b"* 3 EXISTS"),
    ),
}

# What stands in between, and the news it is.
ODDITIES: tuple[tuple[bytes, tuple[Unsolicited, ...]], ...] = (
    (b"* OK still here", ()),
    (b"* OK", ()),
    (b"* ok [", ()),
    (b"* OK [] x", ()),
    (b"* OK [UNKNOWN-CTE (((] x", ()),
    (b'* OK [BROKEN "x] y', ()),
    (b"* NO [OVERQUOTA] Mailbox is nearly full", ()),
    (b"* BAD I did not understand that", ()),
    (b"* BYE [UNAVAILABLE] Shutting down", (Bye("Shutting down"),)),
    (b"* bye", (Bye(""),)),
    (b"* OK [ALERT] Pay your bill", (Alert("Pay your bill"),)),
    (b"* PREAUTH welcome back", ()),
    (b"* XYZZY nothing ((happens) here)", ()),
    (b"* CAPABILITY", ()),
    (b"* CAPABILITY NIL (x)", ()),
    (b"* ID NIL", ()),
    (b"* ENABLED", ()),
    (b"* LSUB", ()),
    (b'* LIST (x "/" broken', ()),
    (b"* STATUS", ()),
    (b"* STATUS other", ()),
    (b"* STATUS other (MESSAGES x", ()),
    (b"* SEARCH x", ()),
    (b"* ESEARCH (TAG", ()),
    (b"* NAMESPACE NIL", ()),
    (b"* QUOTA ((", ()),
    (b"* VANISHED", ()),
    (b"* VANISHED (EARLIER)", ()),
    (b"* VANISHED x,,9", (Vanished(UidSet(((9, 9),))),)),
    (b"* VANISHED 9:x", (Vanished(UidSet()),)),
    (b"* 9 EXPUNGE", (Expunged(9),)),
    (b"* 99999999999 EXPUNGE", ()),
    (b"* 9 EXISTS x", (Exists(9),)),
    (b"* -1 EXISTS", ()),
    (b"* 99999999999999999999999999 EXISTS", ()),
    (b"* 1 RECENT", ()),
    (b"* 9 FETCH (UID 99 FLAGS (z))", (Fetched(FetchedMessage(9, 99, ("z",))),)),
    (b"* 9 FETCH", ()),
    (b"* 9 FETCH FLAGS", ()),
    (b"* 9 FETCH ()", (Fetched(FetchedMessage(9)),)),
    (b'* 9 FETCH (FLAGS (z) ENVELOPE ("', (Fetched(FetchedMessage(9, None, ("z",))),)),
    (b"* 9 UNKNOWN (x)", ()),
    (b"+ go on", ()),
    (b"* FLAGS", ()),
)
# While a mailbox is being opened these are about it, and no news.
OF_THE_MAILBOX = (Exists, Expunged, Vanished, Fetched)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_oddity_anywhere_changes_no_result(name: str) -> None:
    command, lines = ANSWERS[name]
    whole, _ = play(command, b"\r\n".join((*lines, b"P1 OK done\r\n")), CAPABILITIES)
    for odd, news in ODDITIES:
        for at in range(len(lines) + 1):
            told = b"\r\n".join((*lines[:at], odd, *lines[at:], b"P1 OK done\r\n"))
            result, heard = play(command, told, CAPABILITIES)
            if name == "select" and any(isinstance(value, OF_THE_MAILBOX) for value in news):
                continue
            assert result == whole, odd
            assert tuple(heard) == news, odd


def test_an_oddity_leaves_the_connection_usable() -> None:
    for odd, _ in ODDITIES:
        client = greeted(CAPABILITIES)
        if not odd.startswith(b"+"):
            client.receive(odd + b"\r\n")
        client.begin(Status("a"))
        client.receive(odd + b"\r\n* STATUS a (MESSAGES 2)\r\nP1 OK done\r\n")
        assert client.result().messages == 2


def test_capabilities_survive_every_oddity() -> None:
    client = greeted(CAPABILITIES)
    before = client.capabilities
    for odd, _ in ODDITIES:
        if not odd.startswith(b"+"):
            client.receive(odd + b"\r\n")
    assert client.capabilities == before
