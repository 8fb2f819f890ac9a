from __future__ import annotations

import base64

from postroom.mime.text import (
    TextPart,
    cut_text,
    decode_text,
    encoded_budget,
    html_to_text,
    text_to_html,
)


def test_a_cut_body_gives_whole_characters_and_says_there_is_more() -> None:
    raw = base64.encodebytes("\u00fc\u20ac".encode() * 100)
    cut = decode_text(TextPart(raw[:55], "base64", "utf-8", is_whole=False), 1000)
    assert cut.has_more
    assert set(cut.text) == {"\u00fc", "\u20ac"}


def test_max_bytes_counts_utf_8_bytes() -> None:
    assert cut_text("\u00fc\u00fc", 3).text == "\u00fc"
    assert cut_text("\u00fc\u00fc", 4).has_more is False
    assert cut_text("abc", 0).text == ""


def test_the_budget_is_enough_for_every_encoding() -> None:
    text = "\u20ac" * 1000
    for encoding, raw in (
        ("base64", base64.encodebytes(text.encode("utf-16"))),
        ("quoted-printable", b"".join(b"=%02X" % byte for byte in text.encode())),
    ):
        assert len(raw[: encoded_budget(encoding, 3000)]) == len(raw)


def test_html_without_declared_charset_uses_its_meta() -> None:
    raw = '<meta charset="windows-1251"><p>\u041f\u0440'.encode("cp1251")
    assert decode_text(TextPart(raw, is_html=True)).text.endswith("\u041f\u0440")


def test_line_ends_and_byte_order_mark_are_gone() -> None:
    assert decode_text(TextPart(b"\xef\xbb\xbfa\r\nb", charset="utf-8")).text == "a\nb"


def test_html_becomes_readable_text() -> None:
    assert html_to_text("<p>One</p><p>Two<br>Three<script>x</script></p>").split() == [
        "One",
        "Two",
        "Three",
    ]
    assert html_to_text("") == ""
    assert isinstance(html_to_text("<div>" * 30_000), str)


def test_text_becomes_html_with_nested_quotes() -> None:
    html = text_to_html("hi <b>\n> one\n>> two\nend")
    assert html == (
        "<div>hi &lt;b&gt;<blockquote>one<blockquote>two</blockquote></blockquote>end</div>"
    )
    assert text_to_html(">" * 1000 + "x").count("<blockquote>") == 20
