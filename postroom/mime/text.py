"""Text parts: decoded, cut at a number of bytes, and turned from HTML to plain or back.

`decode_text` is what a reader of mail wants: transfer encoding and charset undone, line ends as
`\\n`, cut without breaking a character. A cut base64 or quoted-printable body is no error.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from inscriptis import (  # type: ignore[import-untyped]  # it ships no types
    ParserError,
    get_text,
)
from selectolax.lexbor import LexborHTMLParser

from postroom.mime.charset import decode
from postroom.mime.markup import bounded
from postroom.mime.transfer import decode_transfer

# No text of a person is longer; more is cut and `has_more` says so (invariant I28).
MOST_TEXT_BYTES = 16 * 1_048_576
# The layout-keeping conversion takes about 40 ms for 100 KB and recurses with the nesting.
MOST_LAYOUT_CHARACTERS = 524_288
# Nested quotes deeper than this are shown at this level.
MOST_QUOTE_LEVELS = 20

# The most encoded bytes that one byte of the text can need; UTF-16 doubles what base64 adds.
_GROWTH = {"base64": 3, "quoted-printable": 4}
_GROWTH_PLAIN = 2
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset=[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE)
_META_SEARCH_BYTES = 2_048
_QUOTE = re.compile(r"(?:>[ \t]?)+")


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text part as it came: its raw (encoded) bytes and how they are declared."""

    raw: bytes
    encoding: str | None = None
    charset: str | None = None
    is_html: bool = False
    # False when only the beginning of the part was fetched.
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class CutText:
    """A text and whether there is more of it."""

    text: str
    has_more: bool = False


def encoded_budget(encoding: str | None, max_bytes: int) -> int:
    """How many encoded bytes are surely enough for `max_bytes` of text."""
    growth = _GROWTH.get((encoding or "").lower(), _GROWTH_PLAIN)
    return max_bytes * growth + 1_024


def decode_text(part: TextPart, max_bytes: int | None = None) -> CutText:
    """The part's text, at most `max_bytes` bytes of UTF-8."""
    raw = decode_transfer(part.raw, part.encoding)
    charset = part.charset
    if charset is None and part.is_html:
        charset = _meta_charset(raw)
    text = decode(raw, charset, is_cut=not part.is_whole)
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    cut = cut_text(text, MOST_TEXT_BYTES if max_bytes is None else max_bytes)
    return CutText(cut.text, cut.has_more or not part.is_whole)


def _meta_charset(raw: bytes) -> str | None:
    found = _META_CHARSET.search(raw[:_META_SEARCH_BYTES])
    return found[1].decode("ascii") if found else None


def cut_text(text: str, max_bytes: int) -> CutText:
    """The beginning of `text` that is at most `max_bytes` bytes of UTF-8."""
    if len(text) * 4 <= max_bytes:
        return CutText(text)
    raw = text.encode("utf-8", "replace")
    if len(raw) <= max_bytes:
        return CutText(text)
    return CutText(raw[:max_bytes].decode("utf-8", "ignore"), has_more=True)


def html_to_text(markup: str) -> str:
    """HTML as plain text with its layout; very large or broken HTML without it."""
    if len(markup) <= MOST_LAYOUT_CHARACTERS:
        try:
            return str(get_text(markup)).strip()
        except (ParserError, ValueError, RecursionError, AssertionError):
            pass
    return html_words(markup)


def html_words(markup: str) -> str:
    """The words of an HTML text on one line; fast, and linear for any input."""
    tree = LexborHTMLParser(bounded(markup))
    tree.strip_tags(["script", "style", "head", "title"], recursive=True)
    body = tree.body or tree.root
    return " ".join(body.text(deep=True, separator=" ").split()) if body is not None else ""


def text_to_html(text: str) -> str:
    """Plain text as HTML: lines kept, quote levels as nested blockquotes (contract Q2)."""
    pieces: list[str] = []
    level = 0
    for line in text.split("\n"):
        wanted, words = _quote_level(line)
        pieces.append("<blockquote>" * (wanted - level) or "</blockquote>" * (level - wanted))
        if pieces[-1] == "" and len(pieces) > 1:
            pieces.append("<br>\n")
        pieces.append(html.escape(words))
        level = wanted
    return "<div>" + "".join(pieces) + "</blockquote>" * level + "</div>"


def _quote_level(line: str) -> tuple[int, str]:
    found = _QUOTE.match(line)
    if found is None:
        return 0, line
    return min(found[0].count(">"), MOST_QUOTE_LEVELS), line[found.end() :]
