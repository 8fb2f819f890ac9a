from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from postroom.mime.headers import (
    addresses,
    date_ms,
    decode_words,
    first,
    header_lines,
    header_map,
    parameter,
)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?B?w6Q=?= =?UTF-8?Q?=C3?=\r\n =?utf-8?Q?=B6?=", "\u00e4\u00f6"),
        (b"Re: =?iso-8859-1*de?Q?Gr=FC=DFe_an?= alle", "Re: Gr\u00fc\u00dfe an alle"),
        (b"=?utf-8?Q?with blanks in it?=", "with blanks in it"),
        (b'"=?utf-8?Q?quoted?=" <a@b>', '"quoted" <a@b>'),
        (b"=?gb2312?B?xOO6ww==?=", "\u4f60\u597d"),
        ("\u00fc raw".encode(), "\u00fc raw"),
        (b"=?x-none?Q?=E4?=", "\u00e4"),
        (b"=?broken?Q?no end", "=?broken?Q?no end"),
        (b"=?utf-8?Q?one=0D=0ABcc:_x?=", "one Bcc: x"),
        (b"folded\r\n\tvalue", "folded\tvalue"),
        (b"", ""),
    ],
)
def test_header_words_are_decoded(raw: bytes, shown: str) -> None:
    assert decode_words(raw) == shown


def test_codecs_that_are_no_charsets_are_not_used() -> None:
    assert "hello" not in decode_words(b"=?rot13?Q?uryyb?=")


def test_headers_keep_message_order_and_odd_names_are_just_names() -> None:
    block = (
        b"Received: one\r\nX-Bad Line\r\nReceived: two\r\n  more\r\n__proto__: x\r\n\r\nBody: no"
    )
    assert header_map(block) == {"received": ["one", "two  more"], "__proto__": ["x"]}
    assert first(header_map(block), "received") == "one"
    assert first(header_map(block), "missing") is None


def test_address_headers_are_split_before_words_are_decoded() -> None:
    found = addresses(["=?utf-8?Q?M=C3=BCller=2C_J?= <m@x.org>, b@x.org, Team: c@x.org;"])
    assert [(one.name, one.address) for one in found] == [
        ("M\u00fcller, J", "m@x.org"),
        (None, "b@x.org"),
        (None, "c@x.org"),
    ]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("Fri, 20 Nov 2026 10:22:00 +0100", 1_795_166_520_000),
        ("Fri, 20 Nov 2026 09:22:00 -0000", 1_795_166_520_000),
        ("20 Nov 2026 09:22:00 GMT (UTC)", 1_795_166_520_000),
        ("yesterday", None),
        ("Fri, 99 Nov 99999 99:99:99 +9999", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read_or_none(text: str | None, ms: int | None) -> None:
    assert date_ms(text) == ms


@pytest.mark.parametrize(
    ("parameters", "value"),
    [
        ({"filename": "a.pdf"}, "a.pdf"),
        ({"filename*": "utf-8'en'r%C3%A9.pdf"}, "r\u00e9.pdf"),
        ({"filename*0*": "utf-8''r%C3", "filename*1*": "%A9", "filename*2": ".pdf"}, "r\u00e9.pdf"),
        ({"filename*0": "a%20", "filename*1": "b"}, "a%20b"),
        ({"filename": "=?utf-8?Q?r=C3=A9.pdf?="}, "r\u00e9.pdf"),
        ({"filename*": "no quotes"}, "no quotes"),
        ({}, None),
    ],
)
def test_file_names_are_read_in_every_spelling(
    parameters: dict[str, str], value: str | None
) -> None:
    assert parameter(parameters, "filename") == value


@given(some.binary(max_size=400))
def test_any_bytes_give_a_text_that_json_can_hold(raw: bytes) -> None:
    decode_words(raw).encode("utf-8")
    for values in header_map(raw).values():
        "".join(values).encode("utf-8")


@pytest.mark.parametrize("piece", [b"=?a?q?", b"=?a?q?x?= ", b"a:b\r\n", b"(", b"=?", b"x:=?a?b?="])
def test_hostile_headers_are_read_within_the_time_limit(piece: bytes) -> None:
    # Quadratic work on this size would take minutes.
    raw = piece * 150_000
    assert isinstance(decode_words(raw), str)
    assert isinstance(header_lines(raw), list)


def test_comments_nested_without_end_are_nobody() -> None:
    assert addresses(["(" * 100_000]) == ()
