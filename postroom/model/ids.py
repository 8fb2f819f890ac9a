"""The literal ids of contract A1 to A5 and A10: pure packing, no meaning added.

Every decoder raises InvalidInput (code InvalidMessageId) for text that is not such an id.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass

import msgspec

from postroom.errors import InvalidInput

_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class MessageKey:
    """Folder number and UID: what an IMAP message id says (A1)."""

    number: int
    uid: int


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid() from error


def _invalid() -> InvalidInput:
    return InvalidInput("Invalid message id", code="InvalidMessageId")


def _pack(key: MessageKey) -> bytes:
    return key.number.to_bytes(4, "big") + key.uid.to_bytes(4, "big")


def _unpack(raw: bytes) -> MessageKey:
    return MessageKey(int.from_bytes(raw[:4], "big"), int.from_bytes(raw[4:8], "big"))


def message_id(key: MessageKey) -> str:
    """A1: 11 characters."""
    return _encode(_pack(key))


def parse_message_id(text: str) -> MessageKey:
    """The key in a message id."""
    raw = _decode(text)
    if len(raw) != _ID_BYTES:
        raise _invalid()
    return _unpack(raw)


def attachment_id(key: MessageKey, part: str) -> str:
    """A4: the id bytes followed by the part number."""
    return _encode(_pack(key) + part.encode("ascii"))


def parse_attachment_id(text: str) -> tuple[MessageKey, str]:
    """The message and the part number of an attachment id."""
    raw = _decode(text)
    part = raw[_ID_BYTES:]
    if not part or not all(byte in b"0123456789." for byte in part):
        raise _invalid()
    return _unpack(raw), part.decode("ascii")


@dataclass(frozen=True, slots=True)
class TextParts:
    """The part numbers that make up a message's text (A5)."""

    plain: tuple[str, ...] = ()
    html: tuple[str, ...] = ()
    other: tuple[str, ...] = ()


def text_id(key: MessageKey, parts: TextParts) -> str:
    """A5: the id bytes followed by MessagePack of the three lists."""
    lists = [list(parts.plain), list(parts.html), list(parts.other)]
    return _encode(_pack(key) + msgspec.msgpack.encode(lists))


def parse_text_id(text: str) -> tuple[MessageKey, TextParts]:
    """The message and its text parts."""
    raw = _decode(text)
    try:
        lists = msgspec.msgpack.decode(
            raw[_ID_BYTES:], type=tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
        )
    except msgspec.MsgspecError as error:
        raise _invalid() from error
    return _unpack(raw), TextParts(*lists)


def new_queue_id(send_at_ms: int) -> str:
    """A10: low 6 bytes of the send time, 4 random bytes, in hex without the leading zero."""
    return ((send_at_ms & 0xFFFFFFFFFFFF).to_bytes(6, "big") + secrets.token_bytes(4)).hex()[1:]


def new_account_id() -> str:
    """A random id for an account created with `null`."""
    return secrets.token_urlsafe(16)


def new_connection_id() -> str:
    """A name for one connection in logs: unlikely to come twice in one log."""
    return secrets.token_hex(4)
