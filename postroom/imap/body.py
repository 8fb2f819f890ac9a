"""Reads BODYSTRUCTURE (RFC 9051 7.5.2) into numbered parts (RFC 9051 6.4.5).

A multipart is a list that starts with lists, a single part a list that starts with its type. The
fields go by position: basic fields, then one more for text, three more for message/rfc822, then
extension data. Servers get them wrong in many ways; what does not fit is left empty.
"""

from __future__ import annotations

from postroom.imap import reading
from postroom.imap.envelope import read_envelope
from postroom.imap.tokens import Token
from postroom.imap.types import BodyPart

# MIME nested deeper is left unread: no mail that a person wrote, and the stack is finite (I28).
MOST_MIME_DEPTH = 100


def read_body(value: Token) -> BodyPart | None:
    """The root part, or None when the server sent no structure."""
    if not isinstance(value, list) or not value:
        return None
    if isinstance(value[0], list):
        return _multipart(value, "", MOST_MIME_DEPTH)
    return _single(value, "1", MOST_MIME_DEPTH)


def _part(value: list[Token], number: str, depth: int) -> BodyPart:
    if depth <= 0 or not value:
        return BodyPart(number, "application", "octet-stream")
    if isinstance(value[0], list):
        return _multipart(value, number, depth)
    return _single(value, number, depth)


def _multipart(value: list[Token], number: str, depth: int) -> BodyPart:
    count = 0
    while count < len(value) and isinstance(value[count], list):
        count += 1
    prefix = f"{number}." if number else ""
    parts = [part for part in value[:count] if isinstance(part, list)]
    children = tuple(
        _part(part, f"{prefix}{at}", depth - 1) for at, part in enumerate(parts, start=1)
    )
    # Courier and Exchange have sent multiparts without a subtype.
    subtype = reading.text(value[count]) if count < len(value) else None
    disposition, disposition_parameters = _disposition(value, count + 2)
    return BodyPart(
        number,
        "multipart",
        (subtype or "mixed").lower(),
        reading.parameters(_at(value, count + 1)),
        disposition=disposition,
        disposition_parameters=disposition_parameters,
        children=children,
    )


def _single(value: list[Token], number: str, depth: int) -> BodyPart:
    kind = (reading.text(_at(value, 0)) or "text").lower()
    subtype = (reading.text(_at(value, 1)) or "").lower()
    nested = value[8] if len(value) > 8 and kind == "message" else None
    is_message = isinstance(nested, list) and subtype in ("rfc822", "global")
    envelope = read_envelope(_at(value, 7)) if is_message else None
    children = _inside(nested, number, depth) if isinstance(nested, list) and is_message else ()
    disposition, disposition_parameters = _disposition(value, _extension(kind, is_message) + 1)
    return BodyPart(
        number,
        kind,
        subtype or ("plain" if kind == "text" else "octet-stream"),
        reading.parameters(_at(value, 2)),
        reading.text(_at(value, 3)),
        reading.text(_at(value, 4)),
        _lower(reading.text(_at(value, 5))),
        reading.number(_at(value, 6)) or 0,
        disposition,
        disposition_parameters,
        envelope,
        children,
    )


def _inside(nested: list[Token], number: str, depth: int) -> tuple[BodyPart, ...]:
    """The body of an embedded message: a multipart takes the message's own number for its
    children (4 -> 4.1, 4.2), a single part is numbered 1 below it (4 -> 4.1)."""
    if not nested or depth <= 0:
        return ()
    if isinstance(nested[0], list):
        return (_multipart(nested, number, depth - 1),)
    return (_single(nested, f"{number}.1", depth - 1),)


def _extension(kind: str, is_message: bool) -> int:
    """Where the extension data (MD5 first) starts."""
    if is_message:
        return 10
    return 8 if kind == "text" else 7


def _disposition(value: list[Token], at: int) -> tuple[str | None, dict[str, str]]:
    told = _at(value, at)
    if isinstance(told, list) and told:
        return _lower(reading.text(told[0])), reading.parameters(_at(told, 1))
    return None, {}


def _at(value: list[Token], at: int) -> Token:
    return value[at] if at < len(value) else None


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
