"""The server's end: commands as values, values as responses, without a socket.

    side.feed(data)
    while (command := side.next_command()): ...
    side.literals_to_ask                  how many "+" lines the client now waits for

A line that is no command (the answer to a SASL challenge, DONE of IDLE) is read by `next_line`.
The tokeniser is the client's: both directions share one grammar of values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from postroom.imap.errors import ProtocolViolation
from postroom.imap.framing import Framer, Limits
from postroom.imap.tokens import Token, tokenise

_TAG = re.compile(r"[^\x00-\x20(){%*\"\\+\x7f-\xff]{1,64}\Z")
_QUOTABLE = re.compile(rb"[\x20-\x7e]{0,1000}\Z")


@dataclass(frozen=True, slots=True)
class ClientCommand:
    """What the client asks for; the name of a UID command is two words ("UID FETCH")."""

    tag: str
    name: str
    arguments: tuple[Token, ...]


class ServerSide:
    """Cuts the bytes of a client into commands."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._framer = Framer(limits, is_server=True)

    def feed(self, data: bytes) -> None:
        """Take in what the client sent."""
        self._framer.feed(data)

    def literals_to_ask(self) -> int:
        """How many literals were announced since the last call that the client holds back."""
        count = self._framer.literals_to_ask
        self._framer.literals_to_ask = 0
        return count

    def next_line(self) -> bytes | None:
        """The next line as it stands."""
        return self._framer.next()

    @property
    def pending_bytes(self) -> int:
        """How much is held that was not yet given out."""
        return self._framer.pending_bytes

    def take_pending(self) -> bytes:
        """The bytes that were not yet given out; for whoever speaks with the client from here."""
        return self._framer.take_pending()

    def next_command(self) -> ClientCommand | None:
        """The next complete command; raises ProtocolViolation when it is none."""
        raw = self._framer.next()
        return None if raw is None else read_command(raw)


def read_command(raw: bytes) -> ClientCommand:
    """The command in a complete line with its literals."""
    values = tokenise(raw)
    tag, name = values[:2] if len(values) > 1 else (None, None)
    if not isinstance(tag, str) or not _TAG.match(tag) or not isinstance(name, str):
        raise ProtocolViolation("Not a command: a tag and a name are expected")
    arguments = values[2:]
    name = name.upper()
    if name == "UID" and arguments and isinstance(arguments[0], str):
        name = f"UID {arguments.pop(0)!s}".upper()
    return ClientCommand(tag, name, tuple(arguments))


def encode_value(value: Token | int) -> bytes:
    """One value as it is sent: `str` bare, `bytes` as a string, a list in parentheses."""
    if value is None:
        return b"NIL"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, str):
        return value.encode("latin-1")
    if isinstance(value, bytes):
        return encode_string(value)
    return b"(" + encode_values(value) + b")"


def encode_values(values: Iterable[Token | int]) -> bytes:
    """Values with a space between."""
    return b" ".join(encode_value(value) for value in values)


def encode_string(data: bytes) -> bytes:
    """A quoted string, or a literal when it has to be one."""
    if not _QUOTABLE.match(data):
        return b"{%d}\r\n" % len(data) + data
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
