"""Transcripts of servers: each is framed at every split and read without loss (I12)."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.imap.client import ImapClient
from postroom.imap.commands import Noop
from postroom.imap.framing import Framer
from postroom.imap.responses import Notice, Response, Tagged, Unread, read_response
from postroom.imap.types import Fetched, FetchedMessage, Found, Listed, Told, Vanished

CORPUS = Path(__file__).parents[2] / "corpus" / "imap"
NAMES = sorted(path.stem for path in CORPUS.glob("*.txt"))


def stream(name: str) -> bytes:
    """The server's bytes: what stands below the comment, with the line ends of the protocol."""
    text = (CORPUS / f"{name}.txt").read_bytes()
    return text.partition(b"\n---\n")[2].replace(b"\n", b"\r\n")


def frames(data: bytes, at: int) -> list[bytes]:
    framer, found = Framer(), []
    for piece in (data[:at], data[at:]):
        framer.feed(piece)
        while (response := framer.next()) is not None:
            found.append(response)
    assert framer.pending_bytes == 0
    return found


def responses(name: str) -> list[Response]:
    return [read_response(raw) for raw in frames(stream(name), 0)]


def messages(name: str) -> list[FetchedMessage]:
    return [value.message for value in responses(name) if isinstance(value, Fetched)]


def listed(name: str) -> list[str]:
    return [value.mailbox.path for value in responses(name) if isinstance(value, Listed)]


@pytest.mark.parametrize("name", NAMES)
def test_a_split_at_any_byte_gives_the_same_frames(name: str) -> None:
    data = stream(name)
    whole = frames(data, 0)
    for at in range(len(data)):
        assert frames(data, at) == whole, at


# Answers that are not what they call themselves.
UNREAD = {"smartermail-zero": ["CAPABILITY"]}


@pytest.mark.parametrize("name", NAMES)
def test_every_response_is_understood(name: str) -> None:
    unread = [value.name for value in responses(name) if isinstance(value, Unread)]
    assert unread == UNREAD.get(name, [])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_a_server_sends_costs_the_connection(name: str) -> None:
    client = ImapClient()
    framer = Framer()
    framer.feed(stream(name))
    while (raw := framer.next()) is not None:
        if client.greeting is not None and not client.is_busy:
            client.begin(Noop())
        client.receive(raw + b"\r\n")


def test_every_file_says_where_it_comes_from() -> None:
    for name in NAMES:
        head, line, _ = (CORPUS / f"{name}.txt").read_bytes().partition(b"\n---\n")
        assert line
        first = head.split(b"\n")[0]
        assert first.startswith(b"# ")
        assert b"ecorded" in first or b"after" in first or b"not recorded" in first


def test_dovecot_session() -> None:
    name = "dovecot-session"
    assert listed(name)[:2] == ["Entw\u00fcrfe", "Entw\u00fcrfe/2026"]
    told = [value.status for value in responses(name) if isinstance(value, Told)]
    assert (told[-1].path, told[-1].messages, told[-1].unseen) == ("INBOX", 3, 2)
    full = messages(name)[3:6]
    assert [message.size for message in full] == [249, 761, 31]
    assert [part.part for part in full[1].body.children] == ["1", "2", "3"]
    assert full[1].body.children[1].children[0].part == "2.1"
    assert full[1].body.children[2].disposition == "attachment"
    assert full[2].envelope.from_ == ()
    assert messages(name)[6].sections["1"] == b"Hello"
    assert messages(name)[6].sections[""] == b"From: =?utf-8?q?J=C3"
    found = [value for value in responses(name) if isinstance(value, Found)]
    assert [list(value.numbers) for value in found] == [[1], [1, 2, 3]]
    assert [list(value.uids) for value in responses(name) if isinstance(value, Vanished)] == [[2]]
    refused = [
        value.code.name
        for value in responses(name)
        if isinstance(value, Tagged) and value.status == "NO" and value.code
    ]
    assert refused == ["AUTHENTICATIONFAILED", "ALREADYEXISTS"]


def test_gmail_labels() -> None:
    first, second = messages("gmail-labels")
    assert first.labels == ("\\Inbox", "\\Sent", "Important", "Muy Importante", "Entw\u00fcrfe")
    assert (first.email_id, first.thread_id) == ("1278455344230334865", "1266894439832287888")
    assert (second.uid, second.modseq, second.flags) == (3, 7012, ("NonJunk", "\\Flagged"))
    assert listed("gmail-labels")[2] == "[Gmail]/All Mail"


def test_exchange_quirks() -> None:
    assert listed("exchange-quirks") == ["INBOX", "Sent Items"]
    first, second = messages("exchange-quirks")
    assert first.envelope.to == ()
    assert (first.body.type, first.body.subtype, first.body.size) == ("text", "calendar", 0)
    assert [part.type for part in second.body.children] == ["text", "message"]
    assert list(second.sections) == ["HEADER.FIELDS (MESSAGE-ID REFERENCES)"]


def test_courier_quirks() -> None:
    assert listed("courier-quirks") == ["INBOX", "INBOX.Entw\u00fcrfe", "INBOX.A & B"]
    found = [value for value in responses("courier-quirks") if isinstance(value, Found)]
    assert list(found[0].numbers) == [2, 4, 9]
    permanent = [
        value.code
        for value in responses("courier-quirks")
        if isinstance(value, Notice) and value.code and value.code.name == "PERMANENTFLAGS"
    ]
    assert permanent[0].values[0][:2] == ["$Label1", "a]b"]
    (message,) = messages("courier-quirks")
    assert message.body.subtype == "plain"
    assert message.sections["TEXT"].startswith(b"caf(e)")
