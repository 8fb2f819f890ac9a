"""What IMAP shows of a message: ENVELOPE, BODYSTRUCTURE, sections (RFC 9051 7.5.2, 6.4.5).

A message is cut into parts by its bytes, so that a section is exactly what stands in the message.
The values are tokens as `imap.server` encodes them.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import Message
from email.utils import getaddresses
from functools import lru_cache

from postroom.imap.tokens import Token

# Parts nested deeper are shown as one opaque part.
MOST_DEPTH = 50
_HEADER_END = re.compile(rb"\r?\n\r?\n|\A\r?\n")
_FIELD = re.compile(rb"[^\r\n]+\r?\n(?:[ \t][^\r\n]*\r?\n)*+|[^\r\n]+\Z")


@dataclass(frozen=True, slots=True)
class Part:
    """A message or a part of one; `inner` is the message inside a message/rfc822."""

    header: bytes
    body: bytes
    fields: Message
    children: tuple[Part, ...] = ()
    inner: Part | None = None

    @property
    def type(self) -> tuple[str, str]:
        return self.fields.get_content_maintype(), self.fields.get_content_subtype()


@lru_cache(maxsize=64)
def parse(raw: bytes) -> Part:
    """The parts of a message."""
    return _parse(raw, MOST_DEPTH)


def _parse(raw: bytes, depth: int) -> Part:
    found = _HEADER_END.search(raw)
    end = found.end() if found else len(raw)
    header, body = raw[:end], raw[end:]
    fields = email.message_from_bytes(header, policy=email.policy.compat32)
    children: tuple[Part, ...] = ()
    inner = None
    boundary = fields.get_boundary()
    if depth and fields.get_content_maintype() == "multipart" and boundary:
        cut = _cut(body, boundary.encode("latin-1", "replace"))
        children = tuple(_parse(piece, depth - 1) for piece in cut)
    elif depth and fields.get_content_type() == "message/rfc822":
        inner = _parse(body, depth - 1)
    return Part(header, body, fields, children, inner)


def _cut(body: bytes, boundary: bytes) -> list[bytes]:
    """The pieces between the delimiter lines (RFC 2046 5.1.1)."""
    line = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    pieces = []
    start = -1
    for found in line.finditer(body):
        if start >= 0:
            pieces.append(body[start : found.start()])
        if found[1]:
            return pieces
        start = body.find(b"\n", found.end()) + 1 or len(body)
    return [*pieces, body[start:]] if start >= 0 else pieces


def envelope(part: Part) -> list[Token]:
    """The ten fields of ENVELOPE."""
    sender = _addresses(part, "From")
    return [
        _field(part, "Date"),
        _field(part, "Subject"),
        sender,
        _addresses(part, "Sender") or sender,
        _addresses(part, "Reply-To") or sender,
        _addresses(part, "To"),
        _addresses(part, "Cc"),
        _addresses(part, "Bcc"),
        _field(part, "In-Reply-To"),
        _field(part, "Message-ID"),
    ]


def _field(part: Part, name: str) -> bytes | None:
    value = part.fields.get(name)
    if value is None:
        return None
    return re.sub(r"\r?\n[ \t]*", " ", str(value)).strip().encode("utf-8", "surrogateescape")


def _addresses(part: Part, name: str) -> Token:
    values = [str(value) for value in part.fields.get_all(name, [])]
    pairs = [pair for pair in getaddresses(values) if pair[1]]
    if not pairs:
        return None
    return [_address(shown, address) for shown, address in pairs]


def _address(shown: str, address: str) -> Token:
    local, _, host = address.rpartition("@")
    words = [shown, None, local, host]
    return [word.encode("utf-8", "replace") if word else None for word in words]


def structure(part: Part) -> list[Token]:
    """BODYSTRUCTURE with its extension data."""
    main, sub = part.type
    if part.children:
        values: list[Token] = [structure(child) for child in part.children]
        return [*values, sub.encode(), _parameters(part), _disposition(part), None, None]
    basic: list[Token] = [
        main.encode(),
        sub.encode(),
        _parameters(part),
        _field(part, "Content-ID"),
        _field(part, "Content-Description"),
        _field(part, "Content-Transfer-Encoding") or b"7bit",
        str(len(part.body)),
    ]
    lines = str(part.body.count(b"\n"))
    if part.inner is not None:
        basic += [envelope(part.inner), structure(part.inner), lines]
    elif main == "text":
        basic.append(lines)
    return [*basic, None, _disposition(part), None, None]


def _parameters(part: Part, header: str = "Content-Type") -> Token:
    told = part.fields.get_params(failobj=[], header=header, unquote=True)[1:]
    words: list[Token] = []
    for name, value in told:
        text = value if isinstance(value, str) else value[2]
        words += [name.encode("utf-8", "replace"), text.encode("utf-8", "replace")]
    return words or None


def _disposition(part: Part) -> Token:
    kind = part.fields.get_content_disposition()
    return [kind.encode(), _parameters(part, "Content-Disposition")] if kind else None


def section(part: Part, text: str) -> bytes | None:
    """The bytes of BODY[text]; None when there is no such part."""
    if not text:
        return part.header + part.body
    found = re.match(r"((?:\d+\.)*\d+)?\.?(.*)\Z", text, re.DOTALL)
    numbers, what = (found[1] or "", found[2]) if found else ("", "")
    at: Part | None = part
    for number in filter(None, numbers.split(".")):
        at = _child(at, int(number)) if at is not None else None
    if at is None:
        return None
    return _of_part(at, what) if numbers else _of_message(at, what)


def _child(part: Part, number: int) -> Part | None:
    """Part `number` below; the only part of a simple message is the message itself as a part."""
    holder = part.inner or part
    if holder.children:
        return holder.children[number - 1] if 0 < number <= len(holder.children) else None
    return holder if number == 1 else None


def _of_part(part: Part, what: str) -> bytes | None:
    if not what:
        return part.body
    if what == "MIME":
        return part.header
    return _of_message(part.inner, what) if part.inner is not None else None


def _of_message(part: Part, what: str) -> bytes | None:
    if what == "HEADER":
        return part.header
    if what == "TEXT":
        return part.body
    found = re.match(r"HEADER\.FIELDS(\.NOT)? \(([^)]*)\)", what)
    if found is None:
        return None
    wanted = {name.strip('"').upper() for name in found[2].split()}
    lines = [
        field
        for field in _FIELD.findall(part.header)
        if (field.partition(b":")[0].strip().decode("latin-1").upper() in wanted) ^ bool(found[1])
    ]
    return b"".join(lines) + b"\r\n"
