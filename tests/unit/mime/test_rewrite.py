"""Header edits that leave every other byte alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postroom.mime.fields import text_field
from postroom.mime.rewrite import split, without_bcc

RAW = (
    b"From: a@b.c\r\nBcc: x@y.z,\r\n\tw@y.z\r\nSubject : odd\r\n  folded\r\n"
    b"\r\nBcc: in body\r\n\xff"
)
LINES = [b"Bcc: x\r\n", b" y\r\n", b"A: b\r\n", b"\r\n", b"z\n"]


def test_bcc_goes_with_its_continuation_and_the_body_stays() -> None:
    kept = b"From: a@b.c\r\nSubject : odd\r\n  folded\r\n\r\nBcc: in body\r\n\xff"
    assert without_bcc(RAW) == kept


def test_a_field_is_replaced_in_place_or_added_at_the_end() -> None:
    parts = split(RAW)
    assert parts.first("subject") == "odd  folded"
    replaced = parts.with_field(text_field("Bcc", "n")).joined()
    assert replaced.startswith(b"From: a@b.c\r\nBcc: n\r\nSubject : odd")
    added = parts.with_field(text_field("X", "n")).joined()
    assert b"folded\r\nX: n\r\n\r\nBcc: in body" in added


def test_bare_line_ends_become_crlf() -> None:
    assert split(b"A: 1\nB: 2\n\nbody\n").joined() == b"A: 1\r\nB: 2\r\n\r\nbody\r\n"


def test_what_has_no_header_is_all_body() -> None:
    assert split(b"just text\r\nmore").body == b"just text\r\nmore"
    assert split(b"").joined() == b"\r\n"


@given(st.binary(max_size=300))
def test_any_bytes_split_and_join_to_the_same_again(raw: bytes) -> None:
    once = split(raw).joined()
    assert split(once).joined() == once
    assert split(once).body.endswith(split(raw).body)


@given(st.lists(st.sampled_from(LINES), max_size=9))
def test_no_bcc_field_is_left(lines: list[bytes]) -> None:
    assert split(without_bcc(b"".join(lines))).first("bcc") is None
