"""Writes commands: the way from values to bytes.

A command is sent in segments. After each segment but the last the server must ask for the next
with a "+" line, because a synchronising literal stands between them (RFC 9051 4.3). With LITERAL+
(or LITERAL- for short ones) nobody waits and a command is one segment. CR, LF and NUL never reach
a line outside a literal: no caller can smuggle in a second command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from postroom.errors import InvalidInput
from postroom.imap import utf7
from postroom.imap.dates import internal_date_text

# RFC 7888 5: a LITERAL- server takes non-synchronising literals up to this size.
MOST_LITERAL_MINUS_BYTES = 4096
# RFC 7162 and old servers read lines of at least 8,192 bytes; longer strings become literals.
MOST_QUOTED_BYTES = 1000

# A part of what the grammar takes as an atom; all else is quoted, which every server reads.
_ATOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9:,./_-]*\Z")
_FLAG = re.compile(r"\\?[^\x00-\x20\x7f-\uffff(){%*\"\\\]]+\Z")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*\Z")
# After UTF8=ACCEPT or in IMAP4rev2 a quoted string may hold UTF-8 (RFC 6855 3).
_QUOTABLE_UTF8 = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\xff]*\Z")
_SAFE_TEXT = re.compile(r"[\x20-\x7e]*\Z")


@dataclass(frozen=True, slots=True)
class Offered:
    """What the server can do, as far as writing a command depends on it."""

    capabilities: frozenset[str] = frozenset()
    is_utf8: bool = False

    def has(self, name: str) -> bool:
        """Whether the capability is there; IMAP4rev2 contains many older extensions."""
        wanted = name.upper()
        return wanted in self.capabilities or (
            wanted in _IN_REV2 and "IMAP4REV2" in self.capabilities
        )


# RFC 9051 appendix E: extensions that are part of IMAP4rev2.
_IN_REV2 = frozenset(
    {
        *("NAMESPACE", "UNSELECT", "UIDPLUS", "ESEARCH", "SEARCHRES", "ENABLE", "IDLE", "MOVE"),
        *("SASL-IR", "LIST-EXTENDED", "LIST-STATUS", "LITERAL-", "SPECIAL-USE"),
    }
)


@dataclass(slots=True)
class Line:
    """A command being written; each method adds one argument."""

    offered: Offered = field(default_factory=Offered)
    # Not shown: those of a login hold the password (invariant I26).
    segments: list[bytes] = field(default_factory=list, repr=False)
    _open: bytearray = field(default_factory=bytearray, repr=False)
    # True where the next argument follows without a space.
    _glue: bool = True

    def raw(self, text: str) -> Line:
        """Protocol text that the caller vouches for: command names, item lists."""
        if not _SAFE_TEXT.match(text):
            raise InvalidInput("An IMAP command may not hold control characters")
        return self._add(text.encode("ascii"))

    def string(self, value: str | bytes) -> Line:
        """An astring: an atom, a quoted string or a literal, whichever is needed."""
        data = value.encode("utf-8", "replace") if isinstance(value, str) else value
        if data.isascii():
            text = data.decode("ascii")
            if len(data) <= MOST_QUOTED_BYTES and _ATOM.match(text) and text.upper() != "NIL":
                return self._add(data)
        return self._quoted(data)

    def quoted(self, text: str) -> Line:
        """A quoted string, where the grammar takes nothing else than a string."""
        return self._quoted(text.encode("utf-8", "replace"))

    def _quoted(self, data: bytes) -> Line:
        if len(data) > MOST_QUOTED_BYTES or not self._is_quotable(data):
            return self.literal(data)
        return self._add(b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')

    def _is_quotable(self, data: bytes) -> bool:
        if data.isascii() or not self.offered.is_utf8:
            return _QUOTABLE.match(data) is not None
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return _QUOTABLE_UTF8.match(data) is not None

    def mailbox(self, path: str) -> Line:
        """A mailbox name: modified UTF-7, or UTF-8 after ENABLE UTF8=ACCEPT."""
        return self.string(path if self.offered.is_utf8 else utf7.encode(path))

    def pattern(self, pattern: str) -> Line:
        """A LIST pattern: like a mailbox name, always quoted so that `*` is allowed anywhere."""
        return self.quoted(pattern if self.offered.is_utf8 else utf7.encode(pattern))

    def raw_list(self, words: Iterable[str]) -> Line:
        """A parenthesised list of quoted strings."""
        self.open_list()
        for word in words:
            self.quoted(word)
        return self.close_list()

    def open_list(self) -> Line:
        """Begin a parenthesised list; what follows is inside."""
        self._add(b"(")
        self._glue = True
        return self

    def close_list(self) -> Line:
        """End the list."""
        self._open += b")"
        self._glue = False
        return self

    def encoded(self, data: bytes) -> Line:
        """Base64 or another text of printable ASCII, as it stands."""
        return self.raw(data.decode("ascii"))

    def numbers(self, text: str) -> Line:
        """A set of message numbers, already written."""
        if not re.fullmatch(r"[0-9:,*]+|\$", text):
            raise InvalidInput("Malformed set of message numbers")
        return self._add(text.encode("ascii"))

    def flags(self, flags: Iterable[str]) -> Line:
        """A parenthesised list of flags."""
        self.open_list()
        for flag in flags:
            self.flag(flag)
        return self.close_list()

    def flag(self, flag: str) -> Line:
        """One flag."""
        if not _FLAG.match(flag):
            raise InvalidInput("A flag may not hold spaces or special characters")
        return self._add(flag.encode("ascii"))

    def date_time(self, ms: int) -> Line:
        """The internal date for APPEND, in UTC."""
        return self._add(f'"{internal_date_text(ms)}"'.encode("ascii"))

    def literal(self, data: bytes) -> Line:
        """A literal, synchronising only when the server needs it."""
        return self._literal(data, b"")

    def literal8(self, data: bytes) -> Line:
        """A literal that may hold NUL (RFC 3516) or UTF-8 headers (RFC 6855)."""
        return self._literal(data, b"~")

    def _literal(self, data: bytes, mark: bytes) -> Line:
        plus = self.offered.has("LITERAL+") or (
            self.offered.has("LITERAL-") and len(data) <= MOST_LITERAL_MINUS_BYTES
        )
        self._add(b"%s{%d%s}" % (mark, len(data), b"+" if plus else b""))
        self._open += b"\r\n"
        if not plus:
            self._close()
        self._open += data
        return self

    def end(self) -> tuple[bytes, ...]:
        """The segments of the finished command."""
        self._open += b"\r\n"
        self._close()
        return tuple(self.segments)

    def _add(self, data: bytes) -> Line:
        if not self._glue:
            self._open += b" "
        self._glue = False
        self._open += data
        return self

    def _close(self) -> None:
        self.segments.append(bytes(self._open))
        self._open = bytearray()
