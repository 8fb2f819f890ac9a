"""Header blocks, encoded words (RFC 2047) and parameters (RFC 2231) to text.

Mail is full of headers that break the rules: raw eight-bit text, encoded words inside quotes, one
character split over two words. What can be read is read; the rest stays as it came. Every scan
is a single pass.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import getaddresses, parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from postroom.mime.charset import decode
from postroom.model.message import Address

# A header block larger than this is cut: the contract's own submission limit (L4) is the same.
MOST_HEADER_BYTES = 1_048_576
# Real messages have some dozens; this bounds the answer, not the scan.
MOST_HEADER_LINES = 2_000
# One list header names at most this many people; more are left out.
MOST_ADDRESSES = 5_000
MOST_ADDRESS_CHARACTERS = 262_144
# RFC 2231 section 3 numbers the pieces of a long parameter; nobody needs more than this.
MOST_PARAMETER_PIECES = 100

# The third part may hold blanks: many mailers forget to encode them.
_WORD = re.compile(r"=\?([^?\s]{1,64})\?([bBqQ])\?([^?]*)\?=")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ZONE_COMMENT = re.compile(r"\s*\([^()]*\)\s*\Z")


class _Run(NamedTuple):
    """Adjacent encoded words of one charset: decoded together, for characters split over words."""

    charset: str
    raw: bytes


def decode_words(value: bytes | str | None) -> str:
    """A header value as text: unfolded, encoded words decoded (RFC 2047)."""
    if not value:
        return ""
    text = decode(value) if isinstance(value, bytes) else value
    text = _FOLD.sub("", text)
    return _join_words(text) if "=?" in text else text


def _join_words(text: str) -> str:
    pieces: list[str | _Run] = []
    end = 0
    for found in _WORD.finditer(text):
        between = text[end : found.start()]
        # RFC 2047 6.2: white space between two encoded words is not shown.
        if between.strip() or not (pieces and isinstance(pieces[-1], _Run)):
            pieces.append(between)
        _add_word(pieces, found)
        end = found.end()
    pieces.append(text[end:])
    return "".join(piece if isinstance(piece, str) else _show(piece) for piece in pieces)


def _add_word(pieces: list[str | _Run], found: re.Match[str]) -> None:
    charset = found[1].partition("*")[0].lower()  # RFC 2231 5: a language may follow
    raw = _word_bytes(found[2], found[3])
    if raw is None:
        pieces.append(found[0])
        return
    last = pieces[-1] if pieces else ""
    if isinstance(last, _Run) and last.charset == charset:
        pieces[-1] = _Run(charset, last.raw + raw)
    else:
        pieces.append(_Run(charset, raw))


def _word_bytes(encoding: str, text: str) -> bytes | None:
    raw = text.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return quopri.decodestring(raw, header=True)
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4))
    except (binascii.Error, ValueError):
        return None


def _show(run: _Run) -> str:
    # A line break smuggled into a word would forge a second header for whoever prints it.
    return decode(run.raw, run.charset).replace("\r", "").replace("\n", " ")


def header_lines(block: bytes) -> list[tuple[str, bytes]]:
    """The fields of a header block in order: lower-case name and raw value, still folded."""
    fields: list[tuple[str, list[bytes]]] = []
    for line in block[:MOST_HEADER_BYTES].splitlines(keepends=True):
        if not line.strip():
            if fields:
                break
            continue
        if line[:1] in b" \t":
            if fields:
                fields[-1][1].append(line)
            continue
        name, colon, value = line.partition(b":")
        if not colon or len(fields) >= MOST_HEADER_LINES:
            continue
        fields.append((decode(name).strip().lower(), [value]))
    return [(name, b"".join(pieces).strip()) for name, pieces in fields]


def header_map(block: bytes) -> dict[str, list[str]]:
    """Lower-case names to the decoded values in message order (contract C4)."""
    found: dict[str, list[str]] = {}
    for name, raw in header_lines(block):
        found.setdefault(name, []).append(decode_words(raw))
    return found


def first(headers: Mapping[str, list[str]], name: str) -> str | None:
    """The first value of a header, or None."""
    values = headers.get(name)
    return values[0] if values else None


def addresses(values: Iterable[str]) -> tuple[Address, ...]:
    """The people in address headers; groups are opened, words decoded after splitting."""
    try:
        found = getaddresses([value[:MOST_ADDRESS_CHARACTERS] for value in values])
    except RecursionError:
        # The library goes down a level for each nested comment; nobody's name has hundreds.
        return ()
    return tuple(
        Address(name=decode_words(name) or None, address=address.strip())
        for name, address in found[:MOST_ADDRESSES]
        if address.strip()
    )


def date_ms(text: str | None) -> int | None:
    """Milliseconds since 1970 of a Date header, or None when it is no date."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(_ZONE_COMMENT.sub("", text[:128]))
        # RFC 5322 3.3: the zone -0000 says nothing but that the time is UTC.
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def parameter(parameters: Mapping[str, str], name: str) -> str | None:
    """A parameter's decoded value: plain, RFC 2231 (charset, pieces), or RFC 2047 by mistake."""
    extended = parameters.get(f"{name}*")
    if extended is not None:
        return _extended([(extended, True)])
    if f"{name}*0" in parameters or f"{name}*0*" in parameters:
        return _extended(list(_pieces(parameters, name)))
    plain = parameters.get(name)
    return decode_words(plain) if plain is not None else None


def _pieces(parameters: Mapping[str, str], name: str) -> Iterable[tuple[str, bool]]:
    for number in range(MOST_PARAMETER_PIECES):
        coded = parameters.get(f"{name}*{number}*")
        plain = parameters.get(f"{name}*{number}")
        if coded is None and plain is None:
            return
        yield (coded, True) if coded is not None else (plain or "", False)


def _extended(pieces: list[tuple[str, bool]]) -> str:
    """RFC 2231 4: the first piece may start with charset'language'."""
    charset = None
    first_text, is_coded = pieces[0]
    if is_coded and first_text.count("'") >= 2:
        charset, _, rest = first_text.split("'", 2)
        pieces[0] = (rest, True)
    raw = b"".join(
        unquote_to_bytes(text) if coded else text.encode("utf-8", "replace")
        for text, coded in pieces
    )
    return decode(raw, charset)
