"""Header fields to bytes: folding and encoding (RFC 5322 2.2.3, RFC 2047), for building only.

The standard library's policies fold long Message-IDs as encoded words and mistreat quoted names
when they refold, so fields are written here: identifiers verbatim, addresses one by one, text by
`email.header.Header`. A line break or NUL in a value is refused, never repaired: it is how headers
are smuggled in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime

from postroom.errors import FieldProblem, InvalidInput
from postroom.model.message import Address

# RFC 5322 2.1.1: lines should be no longer than this, the line end not counted.
LINE_LENGTH = 76
# RFC 5322 2.2: printable ASCII but the colon.
_NAME = re.compile(r"[!-9;-~]+")
# RFC 5322 3.2.3: what a display name may hold without quotes.
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_UNSAFE = re.compile(r"[\r\n\x00]")
# A local part of atoms, or anything else quoted (RFC 5322 3.4.1).
_ADDRESS = re.compile(
    r"[^\s\x00-\x1f<>,;:\"()]+@[^\s\x00-\x1f<>,;:\"()@]+|\"[^\r\n\x00\"]+\"@[^\s<>@]+"
)

Field = tuple[str, bytes]


def refuse_breaks(name: str, value: str) -> None:
    """Raise InvalidInput when `value` could end the header line."""
    if _UNSAFE.search(value):
        raise InvalidInput(fields=[FieldProblem(name, "must not contain line breaks")])


def text_field(name: str, value: str) -> Field:
    """A field of free text, such as Subject or a caller's own."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(fields=[FieldProblem(f"headers.{name!r}", "is not a header name")])
    refuse_breaks(name, value)
    charset = "us-ascii" if value.isascii() else "utf-8"
    header = Header(value, charset, maxlinelen=LINE_LENGTH, header_name=name)
    return name, header.encode(linesep="\r\n").encode("ascii")


def id_field(name: str, ids: Sequence[str]) -> Field:
    """A field of message identifiers: each verbatim, folded between them only."""
    for one in ids:
        refuse_breaks(name, one)
    return name, _folded(name, [one.encode("ascii", "replace") for one in ids], b"")


def date_field(at_ms: int) -> Field:
    """The Date field (RFC 5322 3.3)."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return "Date", format_datetime(moment).encode("ascii")


def address_field(name: str, addresses: Sequence[Address]) -> Field:
    """A field of addresses; raises InvalidInput for one that cannot stand in a header."""
    return name, _folded(name, [_mailbox(name, one) for one in addresses], b",")


def _mailbox(name: str, one: Address) -> bytes:
    if not _ADDRESS.fullmatch(one.address):
        raise InvalidInput(fields=[FieldProblem(name.lower(), "is not an email address")])
    # RFC 6532: an internationalised address stands in the header as UTF-8.
    address = one.address.encode("utf-8")
    if not one.name:
        return address
    refuse_breaks(name, one.name)
    return _phrase(one.name) + b" <" + address + b">"


def _phrase(text: str) -> bytes:
    if not text.isascii():
        return Header(text, "utf-8", maxlinelen=LINE_LENGTH).encode(linesep="\r\n").encode("ascii")
    if _ATOMS.fullmatch(text):
        return text.encode("ascii")
    return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'


def _folded(name: str, words: Sequence[bytes], separator: bytes) -> bytes:
    lines: list[bytes] = []
    line = b""
    room = LINE_LENGTH - len(name) - 2
    for at, word in enumerate(words):
        token = word if at == len(words) - 1 else word + separator
        if line and len(line) + 1 + len(token) > room:
            lines.append(line)
            line, room = b"", LINE_LENGTH - 1
        line = line + b" " + token if line else token
    return b"\r\n ".join([*lines, line])


def block(fields: Sequence[Field]) -> bytes:
    """The fields as header lines, without the empty line after them."""
    return b"".join(name.encode("ascii") + b": " + value + b"\r\n" for name, value in fields)
