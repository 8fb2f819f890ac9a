"""Cuts a byte stream into complete responses (or, on the server side, complete commands).

A response is one line, and more when a line ends in a literal announcement `{n}`: then n bytes
follow, whatever they are, and another line. So the only question is where CRLF stands and whether
`{n}` stands before it; nothing else is understood here. Each byte is looked at once: a search
resumes where the last one stopped, and a literal is stepped over by its announced size.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from postroom.imap.errors import ProtocolViolation

T = TypeVar("T")

# All lines of one response together. A SEARCH answer with 1,000,000 UIDs is 8 MB.
MOST_LINE_BYTES = 16 * 1024 * 1024
# One literal. Big parts are read in slices of BODY[...]<a.b>; 64 MB is over every usual APPEND.
MOST_LITERAL_BYTES = 64 * 1024 * 1024
# One response with all its literals: a FETCH of several sections.
MOST_RESPONSE_BYTES = 128 * 1024 * 1024

# Up to here a second copy costs less than a view.
_BIG_BYTES = 4096

# At the end of a line: `{12}`, `{12+}` (LITERAL+), `{12-}` (an error, read as plain), `~{12}`.
_LITERAL = re.compile(rb"\{(\d{1,20})([+-]?)\}\Z")
# A status line ends in free text, which may end in `}` without announcing anything.
_STATUS = re.compile(rb"(?:\+|[^ ]{1,64} (?:OK|NO|BAD|BYE|PREAUTH))(?: |\Z)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one response may hold."""

    line_bytes: int = MOST_LINE_BYTES
    literal_bytes: int = MOST_LITERAL_BYTES
    response_bytes: int = MOST_RESPONSE_BYTES


class Framer:
    """Collects bytes and gives complete responses without their final CRLF."""

    __slots__ = (
        *("_limits", "_is_server", "literals_to_ask"),
        *("_buffer", "_start", "_line", "_scan", "_skipped"),
    )

    def __init__(self, limits: Limits = Limits(), *, is_server: bool = False) -> None:
        self._limits = limits
        self._is_server = is_server
        # Literals announced with `{n}`, not `{n+}`: a server must ask for each with a "+" line.
        self.literals_to_ask = 0
        self._buffer = bytearray()
        self._start = 0
        self._resume()

    def _resume(self) -> None:
        """Forget what was found of the current response; its first byte is at `_start`."""
        self._line = self._start
        self._scan = self._start
        self._skipped = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes held that are not yet given out."""
        return len(self._buffer) - self._start

    def feed(self, data: bytes) -> None:
        """Take in what the peer sent."""
        self.trim()
        self._buffer += data

    def trim(self) -> None:
        """Give back the memory of what was given out; a bytearray cuts its front for nothing."""
        if self._start:
            del self._buffer[: self._start]
            self._line -= self._start
            self._scan -= self._start
            self._start = 0

    def take_pending(self) -> bytes:
        """The bytes held that are not yet given out; they are held no longer."""
        data = bytes(memoryview(self._buffer)[self._start :])
        self._buffer = bytearray()
        self._step_to(0)
        return data

    def match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Step over a complete response that matches `pattern` (CRLF included): the fast road."""
        # After a literal, what stands at `_start` is known not to be one line.
        if self._line != self._start:
            return None
        found = pattern.match(self._buffer, self._start)
        if found is not None:
            self._step_to(found.end())
        return found

    def step(self, read: Callable[[bytearray, int, T], int], into: T) -> None:
        """Step over what `read` takes of the buffer: complete responses, CRLF included.

        `read` gets the buffer and where the next response starts, and gives where the first one
        starts that it did not take. It must not change or keep the buffer.
        """
        if self._line == self._start:
            end = read(self._buffer, self._start, into)
            if end != self._start:
                self._step_to(end)

    def _step_to(self, start: int) -> None:
        self._start = start
        self._resume()

    def next(self) -> bytes | None:
        """The next complete response, or None until more bytes come."""
        buffer = self._buffer
        while len(buffer) >= self._line:
            end = self._line_end()
            if end < 0:
                self._scan = len(buffer)
                self._check_line(len(buffer))
                return None
            self._check_line(end)
            size = self._announced(end)
            if size is None:
                response = self._cut(end)
                self._step_to(end + 2)
                return response
            self._skip(end + 2, size)
        return None

    def _line_end(self) -> int:
        """Where the CR of the current line's CRLF stands, or -1.

        One byte is found many times faster than two, and a lone LF is rare.
        """
        line, buffer = self._line, self._buffer
        found = buffer.find(0x0A, self._scan)
        if found < 0:
            return -1
        if found > line and buffer[found - 1] == 0x0D:
            return found - 1
        return buffer.find(b"\r\n", max(line, found))

    def _cut(self, end: int) -> bytes:
        """The response up to `end`; a big one is copied only once."""
        start, buffer = self._start, self._buffer
        if end - start < _BIG_BYTES:
            return bytes(buffer[start:end])
        return bytes(memoryview(buffer)[start:end])

    def _announced(self, end: int) -> int | None:
        """The size of the literal announced at the end of the line, if one is."""
        buffer = self._buffer
        if end == self._line or buffer[end - 1] != 0x7D:
            return None
        found = _LITERAL.search(buffer, max(self._line, end - 24), end)
        if found is None:
            return None
        if not self._is_server and self._line == self._start and _STATUS.match(buffer, self._start):
            return None
        self.literals_to_ask += found[2] != b"+"
        return int(found[1])

    def _skip(self, after: int, size: int) -> None:
        self._skipped += size
        if size > self._limits.literal_bytes or self._skipped > self._limits.response_bytes:
            raise ProtocolViolation("The mail server sent a literal beyond the limit")
        self._line = after + size
        self._scan = self._line

    def _check_line(self, end: int) -> None:
        if end - self._start - self._skipped > self._limits.line_bytes:
            raise ProtocolViolation("The mail server sent a line beyond the limit")
