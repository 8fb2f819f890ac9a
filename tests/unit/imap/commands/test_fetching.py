from __future__ import annotations

import pytest

from postroom.errors import InvalidInput
from postroom.imap.commands import Fetch, FetchPart, Store, fetch_part
from postroom.imap.commands.fetch import MOST_GATHERED_BYTES, Gathering
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.types import Fetched, FetchedMessage, FetchedPart
from tests.unit.imap.dialogue import line, play


def test_fetch_and_store_are_written_as_asked() -> None:
    assert line(Fetch("1:*", "(UID FLAGS)", changed_since=7, vanished=True)) == (
        b"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 7 VANISHED)"
    )
    assert line(Store("1:2", ("\\Seen",), "delete", silent=True)) == (
        b"UID STORE 1:2 -FLAGS.SILENT (\\Seen)"
    )
    assert line(Store("1", (), "set", by_uid=False)) == b"STORE 1 FLAGS ()"
    assert line(Store("1", ("\\Inbox", "a b"), "add", item="X-GM-LABELS")) == (
        b'UID STORE 1 +X-GM-LABELS (\\Inbox "a b")'
    )


def test_a_part_comes_decoded_where_the_server_can() -> None:
    assert line(FetchPart(7, "1.2"), "BINARY") == b"UID FETCH 7 (UID BINARY.PEEK[1.2])"
    assert line(FetchPart(7, "1.2")) == b"UID FETCH 7 (UID BODY.PEEK[1.2])"
    told = b"* 1 FETCH (UID 7 BINARY[1.2] ~{3}\r\na\0b)\r\nP1 OK\r\n"
    found, _ = play(FetchPart(7, "1.2"), told, "BINARY")
    assert found == FetchedPart(b"a\0b", is_decoded=True)
    told = b'* 1 FETCH (UID 7 BODY[1.2] "eHl6")\r\nP1 OK\r\n'
    assert play(FetchPart(7, "1.2"), told)[0] == FetchedPart(b"eHl6", is_decoded=False)
    assert play(FetchPart(7, "1.2"), b"P1 OK\r\n")[0] is None
    with pytest.raises(InvalidInput):
        line(FetchPart(7, "1] BODY[2"))


async def test_a_part_the_server_cannot_decode_comes_as_it_is() -> None:
    ran: list[FetchPart] = []

    async def run(command: FetchPart) -> FetchedPart:
        ran.append(command)
        if not command.is_encoded:
            raise ImapRefused("no", response_code="UNKNOWN-CTE", is_bad=False)
        return FetchedPart(b"x", is_decoded=False)

    assert await fetch_part(run, 7, "1") == FetchedPart(b"x", is_decoded=False)
    assert [command.is_encoded for command in ran] == [False, True]


@pytest.mark.parametrize(
    "broken",
    [
        b'* 3 FETCH (UID 7 FLAGS (\\Seen) ENVELOPE ("a "b" c"))',
        b"* 3 FETCH (UID 7 FLAGS (\\Seen) BODYSTRUCTURE ((x)",
        b'* 3 FETCH (FLAGS (\\Seen) UID 7 X "',
        b"* 3 fetch (flags (\\Seen) uid 7 modseq (9) (",
        b'* 3 FETCH (RFC822.SIZE 5 INTERNALDATE "x" UID 7 FLAGS (\\Seen) "',
    ],
)
def test_a_broken_response_still_tells_which_message_it_was(broken: bytes) -> None:
    answer = broken + b"\r\n* 4 FETCH (UID 8 FLAGS ())\r\nP1 OK\r\n"
    for at in range(len(answer)):
        found, _ = play(Fetch("7:8", "(UID FLAGS ENVELOPE)"), answer, at=at)
        assert [(message.uid, message.flags) for message in found] == [(7, ("\\Seen",)), (8, ())]


def test_of_a_response_that_is_nothing_but_broken_nothing_is_taken() -> None:
    for broken in (b"* 3 FETCH", b"* 3 FETCH UID 7", b"* 3 FETCH ()", b'* 3 FETCH (ENVELOPE "'):
        found, _ = play(Fetch("7", "(UID)"), broken + b"\r\nP1 OK\r\n")
        assert found == ()


def test_what_was_not_sent_is_not_known() -> None:
    answer = b"* 3 FETCH (UID 7)\r\n* 3 FETCH (UID 7 MODSEQ (4))\r\nP1 OK\r\n"
    found, _ = play(Fetch("7", "(UID FLAGS ENVELOPE BODYSTRUCTURE)"), answer)
    assert found == (FetchedMessage(3, 7, modseq=4),)


def test_an_endless_answer_is_not_gathered_for_ever() -> None:
    part = b"x" * (64 * 1024 * 1024)
    gathering = Gathering(None, by_uid=True)
    most = MOST_GATHERED_BYTES // len(part)
    for uid in range(1, most + 1):
        assert gathering.take(Fetched(FetchedMessage(1, uid, sections={"1": part})))
    with pytest.raises(ProtocolViolation):
        gathering.take(Fetched(FetchedMessage(1, most + 1, sections={"1": part})))
    assert len(gathering.found) == most
