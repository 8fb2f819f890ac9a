"""Reads ENVELOPE (RFC 9051 7.5.2): ten fields by position; missing or odd ones are empty."""

from __future__ import annotations

from postroom.imap import reading
from postroom.imap.tokens import Token
from postroom.imap.types import Envelope, EnvelopeAddress

# Ten fields; broken servers send fewer.
_PADDING: list[Token] = [None] * 10


def read_envelope(value: Token) -> Envelope | None:
    """The envelope, or None when the server sent no list."""
    if not isinstance(value, list):
        return None
    fields = value + _PADDING
    return Envelope(
        reading.text(fields[0]),
        reading.raw(fields[1]),
        _addresses(fields[2]),
        _addresses(fields[3]),
        _addresses(fields[4]),
        _addresses(fields[5]),
        _addresses(fields[6]),
        _addresses(fields[7]),
        reading.text(fields[8]),
        reading.text(fields[9]),
    )


def _addresses(value: Token) -> tuple[EnvelopeAddress, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_address(item) for item in value if isinstance(item, list))


def _address(item: list[Token]) -> EnvelopeAddress:
    name, _route, mailbox, host = (item + _PADDING)[:4]
    return EnvelopeAddress(reading.raw(name), reading.raw(mailbox), reading.raw(host))
