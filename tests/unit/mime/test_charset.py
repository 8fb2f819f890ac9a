from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from postroom.mime.charset import codec_for, decode

RUSSIAN = (
    "\u041f\u0440\u0438\u0432\u0435\u0442, "
    "\u044d\u0442\u043e \u043f\u0438\u0441\u044c\u043c\u043e. "
)


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("windows-1250", "cp1250"),
        ("iso-8859-1", "cp1252"),
        ("gb2312", "gb18030"),
        ('"us-ascii"', "ascii"),
        ("zlib", None),
        ("punycode", None),
        ("unicode_escape", None),
        ("rot13", None),
        ("idna", None),
        ("\u0000", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_only_charsets_are_codecs(charset: str | None, codec: str | None) -> None:
    assert codec_for(charset) == codec


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        ("\u00fc".encode(), None, "\u00fc"),
        ("\u00fc".encode(), "iso-8859-1", "\u00fc"),
        (b"\xfc", "iso-8859-1", "\u00fc"),
        (b"\xfc", "utf-8", "\ufffd"),
        (b"\x93hi\x94", "iso-8859-1", "\u201chi\u201d"),
        ("\u65e5".encode("iso-2022-jp"), "iso-2022-jp", "\u65e5"),
        (b"+AOQ-", "utf-7", "\u00e4"),
        (b"+2AA-", "utf-7", "?"),
        ((RUSSIAN * 5).encode("cp1251"), None, RUSSIAN * 5),
        ((RUSSIAN * 5).encode("cp1251"), "us-ascii", RUSSIAN * 5),
        (b"", "x", ""),
    ],
)
def test_text_is_read_by_what_fits(raw: bytes, charset: str | None, text: str) -> None:
    assert decode(raw, charset) == text


def test_a_cut_character_is_dropped_and_not_replaced() -> None:
    assert decode("a\u00fc".encode()[:-1], "utf-8", is_cut=True) == "a"


@given(some.binary(max_size=300), some.sampled_from([None, "utf-8", "utf-7", "hz", "x", "utf-16"]))
def test_decoding_never_fails(raw: bytes, charset: str | None) -> None:
    decode(raw, charset).encode("utf-8")
