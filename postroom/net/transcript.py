"""What is said on a connection, told to whoever wants to write it down.

Nobody listens as a rule, and then a connection pays one truth test a read. Of the two listeners
here one makes lines for a person: literals shortened to their size, long lines cut, and no
credentials, in whatever form they are said (invariant I26). The other hears the bytes as they are
(EENGINE_LOG_RAW), for an operator who asked for exactly that.

How credentials are kept out: what we send in a command that carries them is never looked at, only
its name is told; what the server says has the secrets of the account replaced, because some servers
repeat what they did not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from postroom.logs import get_logger
from postroom.model.secret import MASK, Secret
from postroom.net.imap_login import masked

log = get_logger("net")

# Told of one line: enough for what went wrong, too little to store mails by the way.
MOST_SHOWN = 1_000
# Kept of one line before it is masked and cut: room for a token of several thousand characters.
MOST_KEPT = 16_384
# The end of a line that announces a literal is at most `~{18446744073709551615+}`.
_LITERAL = re.compile(rb"~?\{(\d{1,20})\+?\}\r?\Z")
_LITERAL_BYTES = 32
_NAMED = re.compile(rb"\A(\w+ (?:LOGIN|AUTHENTICATE [\w-]+))\b")
# A field of a log line is cut at 4,000 characters.
_RAW_PIECE = 3_000

Tell = Callable[[str, str], None]
"""(direction, text): `client` and `server` say what is on the wire, `note` what happened to it."""


class Transcript(Protocol):
    """Hears one connection."""

    def sent(self, data: bytes, *, is_secret: bool) -> None:
        """We said this; `is_secret` while a command with credentials is under way."""
        ...

    def received(self, data: bytes) -> None:
        """The server said this."""
        ...

    def noted(self, text: str) -> None:
        """Something happened to the connection."""
        ...


class Lines:
    """Cuts one direction into lines without the content of literals."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._end = b""
        self._length = 0
        self._literal_left = 0

    def feed(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """The lines that are complete now: what is kept of each, and how long it was."""
        at = 0
        while at < len(data):
            if self._literal_left:
                skipped = min(self._literal_left, len(data) - at)
                self._literal_left -= skipped
                at += skipped
                continue
            end = data.find(b"\n", at)
            self._keep(data[at : len(data) if end < 0 else end])
            if end < 0:
                return
            at = end + 1
            if self._kept.endswith(b"\r"):
                self._kept.pop()
                self._length -= 1
            found = _LITERAL.search(self._end)
            if found is None:
                yield self._take()
            else:
                self._literal_left = int(found[1])
                self._end = b""

    def _keep(self, piece: bytes) -> None:
        self._length += len(piece)
        self._kept += piece[: MOST_KEPT - len(self._kept)]
        self._end = (self._end + piece[-_LITERAL_BYTES:])[-_LITERAL_BYTES:]

    def _take(self) -> tuple[bytes, int]:
        line, length = bytes(self._kept), self._length
        self._kept.clear()
        self._end, self._length = b"", 0
        return line, length


class MaskedTranscript:
    """Lines for a person, without credentials."""

    def __init__(self, tell: Tell, secrets: Sequence[Secret]) -> None:
        self._tell = tell
        self._secrets = secrets
        # A line that was cut may end with the beginning of a secret, escaped at that.
        self._longest = max((2 * len(secret.reveal()) for secret in secrets), default=0)
        self._ours = Lines()
        self._theirs = Lines()

    def sent(self, data: bytes, *, is_secret: bool) -> None:
        if is_secret:
            named = _NAMED.match(data)
            self._tell("client", f"{named[1].decode()} {MASK}" if named else MASK)
            return
        for line, length in self._ours.feed(data):
            self._tell("client", self._shown(line, length))

    def received(self, data: bytes) -> None:
        for line, length in self._theirs.feed(data):
            self._tell("server", self._shown(line, length))

    def noted(self, text: str) -> None:
        for secret in self._secrets:
            text = masked(text, secret)
        self._tell("note", text[:MOST_SHOWN])

    def _shown(self, line: bytes, length: int) -> str:
        text = line.decode("utf-8", "backslashreplace")
        for secret in self._secrets:
            text = masked(text, secret)
        if length > len(line):
            text = text[: max(0, len(text) - self._longest)]
        if length <= len(line) and len(text) <= MOST_SHOWN:
            return text
        return f"{text[:MOST_SHOWN]}... ({length} bytes)"


class RawTranscript:
    """Every byte to the process log, credentials included."""

    def __init__(self, account: str, connection: str) -> None:
        self._log = log.bind(account=account, connection=connection)

    def sent(self, data: bytes, *, is_secret: bool) -> None:
        self._write("client", data)

    def received(self, data: bytes) -> None:
        self._write("server", data)

    def noted(self, text: str) -> None:
        """The log has lines of its own for that."""

    def _write(self, direction: str, data: bytes) -> None:
        for at in range(0, len(data), _RAW_PIECE):
            piece = data[at : at + _RAW_PIECE].decode("latin-1")
            self._log.trace("imap.raw", direction=direction, data=piece)
