from __future__ import annotations

import pytest

from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import FLAGS_LINE
from postroom.imap.framing import Framer, Limits

STREAM = (
    b"* OK hello {3}\r\n"
    b"* 1 FETCH (BODY[] {5}\r\na\r\nb) FLAGS ())\r\n"
    b"* 2 FETCH (BODY[1] {0}\r\n BODY[2] {2}\r\n\r\n)\r\n"
    b"P1 OK {7}\r\n"
)
RESPONSES = [
    b"* OK hello {3}",
    b"* 1 FETCH (BODY[] {5}\r\na\r\nb) FLAGS ())",
    b"* 2 FETCH (BODY[1] {0}\r\n BODY[2] {2}\r\n\r\n)",
    b"P1 OK {7}",
]


def drain(framer: Framer) -> list[bytes]:
    found = []
    while (response := framer.next()) is not None:
        found.append(response)
    return found


def test_a_split_at_any_byte_gives_the_same_responses() -> None:
    for at in range(len(STREAM) + 1):
        framer = Framer()
        framer.feed(STREAM[:at])
        found = drain(framer)
        framer.feed(STREAM[at:])
        assert found + drain(framer) == RESPONSES, at
        assert framer.pending_bytes == 0


def test_single_bytes_give_the_same_responses() -> None:
    framer, found = Framer(), []
    for byte in STREAM:
        framer.feed(bytes([byte]))
        found += drain(framer)
    assert found == RESPONSES


def test_lone_line_feeds_and_returns_end_nothing_wherever_the_bytes_are_split() -> None:
    # The literal ends in a CR, and the line after it starts with a LF.
    stream = b"* a\nb\rc\n\r\n* 1 X {2}\r\n\n\r\n\r\r\n\n\n* d\r\n\r\n"
    wanted = [b"* a\nb\rc\n", b"* 1 X {2}\r\n\n\r\n\r", b"\n\n* d", b""]
    for at in range(len(stream) + 1):
        framer = Framer()
        framer.feed(stream[:at])
        found = drain(framer)
        framer.feed(stream[at:])
        assert found + drain(framer) == wanted, at
    framer, found = Framer(), []
    for byte in stream:
        framer.feed(bytes([byte]))
        found += drain(framer)
    assert found == wanted


def test_the_fast_road_takes_only_whole_lines_at_the_start_of_a_response() -> None:
    line = b"* 5 FETCH (UID 7 FLAGS (\\Seen))\r\n"
    for at in range(1, len(line)):
        framer = Framer()
        framer.feed(line[:at])
        assert framer.match(FLAGS_LINE) is None
        assert framer.next() is None
        framer.feed(line[at:])
        assert framer.match(FLAGS_LINE) is not None or framer.next() == line[:-2]
        assert framer.pending_bytes == 0


def test_a_line_beyond_the_limit_is_a_violation_before_it_ends() -> None:
    framer = Framer(Limits(line_bytes=100))
    framer.feed(b"x" * 101)
    with pytest.raises(ProtocolViolation):
        framer.next()


def test_a_literal_beyond_the_limit_is_a_violation_before_it_comes() -> None:
    framer = Framer(Limits(literal_bytes=10))
    framer.feed(b"* 1 FETCH (BODY[] {11}\r\n")
    with pytest.raises(ProtocolViolation):
        framer.next()


def test_many_small_literals_count_together() -> None:
    framer = Framer(Limits(response_bytes=20))
    framer.feed(b"* 1 FETCH (" + b"{9}\r\n123456789 " * 3)
    with pytest.raises(ProtocolViolation):
        framer.next()


def test_a_server_counts_the_literals_it_must_ask_for() -> None:
    framer = Framer(is_server=True)
    framer.feed(b"a LOGIN {3}\r\n")
    assert framer.next() is None
    assert framer.literals_to_ask == 1
    framer.feed(b"bob {6+}\r\nsecret\r\n")
    assert framer.next() == b"a LOGIN {3}\r\nbob {6+}\r\nsecret"
    assert framer.literals_to_ask == 1
