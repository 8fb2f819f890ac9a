from __future__ import annotations

import pytest

from postroom.imap.commands import Fetch
from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import FLAGS_LINE, read_flags_line
from postroom.imap.responses import read_response
from postroom.imap.types import Exists, Expunged, Fetched, FetchedMessage
from tests.unit.imap.dialogue import play

EVERYTHING = (
    b'* 12 FETCH (UID 40 FLAGS (\\Seen $Label1 \\Recent) INTERNALDATE "17-Jul-1996 02:44:25 -0700"'
    b" RFC822.SIZE 4286 MODSEQ (65402) EMAILID (M6d99ac3275bb4e) THREADID (T64b478a75b7ea9)"
    b' ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" {3}\r\na"b'
    b' (("Terry Gray" NIL "gray" "cac.washington.edu")) NIL NIL'
    b' ((NIL NIL "group" NIL)(NIL NIL "imap" "cac.washington.edu")(NIL NIL NIL NIL))'
    b' NIL NIL NIL "<B27397-0100000@cac.washington.edu>")'
    b' BODY[HEADER.FIELDS (MESSAGE-ID "REFERENCES")] {4}\r\n\r\n\r\n BODY[1.2]<0> {2}\r\n)('
    b" X-UNKNOWN (1 2))\r\n"
    b"P1 OK done\r\n"
)


def fetched(items: bytes) -> FetchedMessage:
    response = read_response(b"* 1 FETCH (" + items + b")")
    assert isinstance(response, Fetched)
    return response.message


def test_every_item_is_read_wherever_the_bytes_are_split() -> None:
    whole, _ = play(Fetch("40", "(x)"), EVERYTHING)
    (message,) = whole
    assert (message.seq, message.uid, message.modseq, message.size) == (12, 40, 65402, 4286)
    assert message.flags == ("\\Seen", "$Label1")
    assert message.internal_date_ms == 837_596_665_000
    assert (message.email_id, message.thread_id) == ("M6d99ac3275bb4e", "T64b478a75b7ea9")
    assert message.envelope.subject == b'a"b'
    assert message.envelope.from_[0].name == b"Terry Gray"
    assert [address.mailbox for address in message.envelope.to] == [b"group", b"imap", None]
    assert message.envelope.message_id == "<B27397-0100000@cac.washington.edu>"
    assert message.sections == {
        "HEADER.FIELDS (MESSAGE-ID REFERENCES)": b"\r\n\r\n",
        "1.2": b")(",
    }
    for at in range(len(EVERYTHING)):
        assert play(Fetch("40", "(x)"), EVERYTHING, at=at)[0] == whole


@pytest.mark.parametrize(
    "line",
    [
        b"* 5 FETCH (UID 7 FLAGS (\\Seen $x) MODSEQ (12))\r\n",
        b"* 5 FETCH (FLAGS (\\Seen $x) UID 7 MODSEQ (12))\r\n",
        b"* 5 FETCH (UID 7 MODSEQ (12) FLAGS (\\Seen $x))\r\n",
    ],
)
def test_the_fast_road_and_the_long_one_give_the_same(line: bytes) -> None:
    found = FLAGS_LINE.match(line)
    assert found is not None
    assert Fetched(read_flags_line(found)) == read_response(line[:-2])


def test_odd_flag_lines_do_not_take_the_fast_road() -> None:
    for line in (b'* 5 FETCH (FLAGS ("a"))\r\n', b"* 5 FETCH (FLAGS (a(b))\r\n"):
        assert FLAGS_LINE.match(line) is None


def test_an_envelope_without_addresses_or_fields_is_still_one() -> None:
    assert fetched(b"ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)").envelope is not None
    short = fetched(b'ENVELOPE ("d" NIL (NIL "x" ("n")))').envelope
    assert short is not None
    assert short.date == "d"
    assert len(short.from_) == 1
    assert short.message_id is None
    assert fetched(b"ENVELOPE NIL").envelope is None


def test_missing_and_odd_values_are_none_not_errors() -> None:
    message = fetched(b'UID x FLAGS NIL RFC822.SIZE NIL MODSEQ () INTERNALDATE "yesterday"')
    assert (message.uid, message.size, message.modseq, message.internal_date_ms) == (None,) * 4
    assert message.flags == ()
    assert fetched(b"BODY[] NIL").sections == {"": b""}
    assert fetched(b"UID").uid is None
    assert fetched(b"(UID) 3 FLAGS (a)").flags == ("a",)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (b'" 1-Jan-1970 00:00:01 +0000"', 1000),
        (b'"1-Jan-1970 01:00:00 +0100"', 0),
        (b'"31-Dec-1969 23:59:59 +0000"', -1000),
        (b'"30-Feb-2020 00:00:00 +0000"', None),
        (b'"01-Foo-2020 00:00:00 +0000"', None),
        (b'"30-Jun-2015 23:59:60 +0000"', 1_435_708_799_000),
    ],
)
def test_internal_dates(text: bytes, ms: int | None) -> None:
    assert fetched(b"INTERNALDATE " + text).internal_date_ms == ms


def test_garbage_is_a_violation() -> None:
    for raw in (b"rubbish", b"* (x)", b"* (", b"* 0 FETCH ("):
        with pytest.raises(ProtocolViolation):
            read_response(raw)


def test_news_of_other_messages_stay_news() -> None:
    answer = (
        b"* 3 EXISTS\r\n* 9 FETCH (UID 9 FLAGS (\\Seen))\r\n* 1 FETCH (FLAGS ())\r\n"
        b"* 2 FETCH (UID 5 FLAGS (a))\r\n* 4 EXPUNGE\r\nP1 OK done\r\n"
    )
    found, news = play(Fetch("5:6", "(FLAGS)"), answer)
    assert [message.uid for message in found] == [5]
    assert [type(value) for value in news] == [Exists, Fetched, Fetched, Expunged]


def test_a_message_told_in_two_responses_is_joined() -> None:
    answer = (
        b"* 2 FETCH (UID 5 BODY[1] {1}\r\na)\r\n* 2 FETCH (UID 5 FLAGS (a) BODY[2] {1}\r\nb)\r\n"
        b"P1 OK done\r\n"
    )
    (message,), _ = play(Fetch("5", "(x)"), answer)
    assert message.sections == {"1": b"a", "2": b"b"}
    assert message.flags == ("a",)


def test_a_streamed_fetch_piles_up_nothing() -> None:
    seen: list[int | None] = []
    answer = b"".join(b"* %d FETCH (UID %d FLAGS ())\r\n" % (n, n) for n in range(1, 1001))
    found, news = play(
        Fetch("1:*", "(FLAGS)", on_message=lambda message: seen.append(message.uid)),
        answer + b"P1 OK done\r\n",
    )
    assert (found, news) == ((), [])
    assert seen == list(range(1, 1001))


def test_gmail_items_are_read() -> None:
    message = fetched(
        b'X-GM-MSGID 1278455344230334865 X-GM-THRID 12 X-GM-LABELS (\\Inbox "a b" Entw&APw-rfe)'
    )
    assert message.email_id == "1278455344230334865"
    assert message.thread_id == "12"
    assert message.labels == ("\\Inbox", "a b", "Entw\u00fcrfe")


def test_the_date_of_saving_and_the_preview_are_read_or_none() -> None:
    message = fetched(b'SAVEDATE "17-Jul-1996 02:44:25 -0700" PREVIEW {7}\r\nCaf\xc3\xa9 (')
    assert (message.save_date_ms, message.preview) == (837_596_665_000, "Caf\u00e9 (")
    message = fetched(b"SAVEDATE NIL PREVIEW NIL")
    assert (message.save_date_ms, message.preview) == (None, None)
    assert fetched(b"PREVIEW (LAZY)").preview is None


def test_decoded_parts_have_keys_of_their_own() -> None:
    message = fetched(
        b"BODY[1.2] {1}\r\na BINARY[1.2] ~{2}\r\n\x00b BINARY[] NIL binary[3]<0> {1}\r\nc"
        b" BINARY.SIZE[1.2] 2"
    )
    assert message.sections == {
        "1.2": b"a",
        "BINARY 1.2": b"\x00b",
        "BINARY ": b"",
        "BINARY 3": b"c",
    }


def test_the_old_names_of_whole_messages_are_sections() -> None:
    message = fetched(b'RFC822 "a" rfc822.header "b" RFC822.TEXT "c" RFC822.X "d"')
    assert message.sections == {"": b"a", "HEADER": b"b", "TEXT": b"c"}


@pytest.mark.parametrize(
    "items",
    [
        b"UID 1 FLAGS (NIL a) UID 2",
        b"FLAGS (nil  a ) UID 0",
        b"UID 9 FLAGS (\\Recent ~x a]b % \\*)",
        b"FLAGS (a[b])",
        b"FLAGS (BODY[x y])",
        b"UID 3 MODSEQ (1) FLAGS () MODSEQ (2)",
    ],
)
def test_odd_flag_lines_mean_the_same_on_either_road(items: bytes) -> None:
    line = b"* 1 FETCH (" + items + b")\r\n"
    found = FLAGS_LINE.match(line)
    quick = None if found is None else Fetched(read_flags_line(found))
    assert quick in (None, read_response(line[:-2]))


def test_a_number_that_no_message_has_takes_the_long_road() -> None:
    assert FLAGS_LINE.match(b"* 9999999999 FETCH (UID 7 FLAGS ())\r\n") is None
