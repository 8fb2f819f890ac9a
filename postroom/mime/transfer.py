"""Content transfer encodings (RFC 2045 section 6), decoded as the bytes come in.

A decoder takes chunks cut at any byte and gives out what is complete. It never raises: characters
that do not belong are skipped, as RFC 2045 6.7 and 6.8 ask for.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from typing import Protocol

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")
_QUANTUM = 4
# RFC 2045 6.7 allows 76 characters a line; white space past this is data, not a soft line end.
MOST_HELD_BYTES = 1_000


class TransferDecoder(Protocol):
    """Decodes one body, chunk by chunk."""

    def feed(self, raw: bytes) -> bytes:
        """What is complete after these further bytes."""
        ...

    def end(self) -> bytes:
        """What is left when no more bytes come."""
        ...


class _Identity:
    def feed(self, raw: bytes) -> bytes:
        return raw

    def end(self) -> bytes:
        return b""


class _Base64:
    """Padding may stand in the middle, where two encoded files were joined."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, raw: bytes) -> bytes:
        pending = self._held + _NOT_BASE64.sub(b"", raw)
        if b"=" in pending:
            return self._feed_padded(pending)
        whole = len(pending) // _QUANTUM * _QUANTUM
        self._held = pending[whole:]
        return base64.b64decode(pending[:whole])

    def _feed_padded(self, pending: bytes) -> bytes:
        *closed, rest = pending.split(b"=")
        whole = len(rest) // _QUANTUM * _QUANTUM
        self._held = rest[whole:]
        closed.append(rest[:whole])
        return b"".join(_loose_base64(piece) for piece in closed if piece)

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return _loose_base64(held)


def _loose_base64(piece: bytes) -> bytes:
    """Base64 text without padding; a single left-over character says nothing and is dropped."""
    if len(piece) % _QUANTUM == 1:
        piece = piece[:-1]
    return base64.b64decode(piece + b"=" * (-len(piece) % _QUANTUM))


class _QuotedPrintable:
    """Decodes whole lines; a line without end is given out at a safe place."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, raw: bytes) -> bytes:
        pending = self._held + raw
        cut = pending.rfind(b"\n") + 1
        if not cut and len(pending) > MOST_HELD_BYTES:
            cut = self._safe_cut(pending)
        self._held = pending[cut:]
        return quopri.decodestring(pending[:cut])

    @staticmethod
    def _safe_cut(pending: bytes) -> int:
        """Before a trailing `=`, `=4` or white space that the next bytes may give a meaning."""
        cut = len(pending)
        last = pending.rfind(b"=", cut - 2)
        cut = last if last >= 0 else cut
        return len(pending[:cut].rstrip(b" \t\r")) or cut

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return quopri.decodestring(held)


class _Uuencoded:
    """x-uuencode: lines between `begin` and `end`, outside RFC 2045 but still met."""

    def __init__(self) -> None:
        self._held = b""
        self._is_inside = False

    def feed(self, raw: bytes) -> bytes:
        *lines, rest = (self._held + raw).split(b"\n")
        # A line holds 61 characters: what is longer is no line and would only pile up.
        self._held = rest if len(rest) <= MOST_HELD_BYTES else b""
        return b"".join(self._line(line.rstrip(b"\r")) for line in lines)

    def _line(self, line: bytes) -> bytes:
        if not self._is_inside:
            self._is_inside = line.startswith(b"begin ")
            return b""
        if line == b"end":
            self._is_inside = False
            return b""
        try:
            return binascii.a2b_uu(line)
        except binascii.Error:
            return b""

    def end(self) -> bytes:
        held, self._held = self._held, b""
        return self._line(held) if held else b""


_DECODERS: dict[str, type[_Base64 | _QuotedPrintable | _Uuencoded]] = {
    "base64": _Base64,
    "quoted-printable": _QuotedPrintable,
    "x-uuencode": _Uuencoded,
    "x-uue": _Uuencoded,
    "uuencode": _Uuencoded,
}


def transfer_decoder(encoding: str | None) -> TransferDecoder:
    """A fresh decoder; an unknown encoding passes the bytes through."""
    kind = _DECODERS.get((encoding or "").strip().lower())
    return kind() if kind is not None else _Identity()


def decode_transfer(raw: bytes, encoding: str | None) -> bytes:
    """A whole body, decoded."""
    decoder = transfer_decoder(encoding)
    return decoder.feed(raw) + decoder.end()


def is_identity(encoding: str | None) -> bool:
    """Whether decoding changes nothing, so that the encoded size is the size."""
    return (encoding or "").strip().lower() not in _DECODERS
