"""Changing the header of a finished message and nothing else: every other byte stays as it was.

Used for raw submissions (contract F4, F5) and to take Bcc off before transmission (F3). A field
is a line and its continuation lines; a body, also a signed one, is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postroom.mime.fields import Field, block

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_FOLD = re.compile(r"\r\n(?=[ \t])")
_FIELD_START = re.compile(rb"[!-9;-~]+[ \t]*:")


@dataclass(frozen=True, slots=True)
class RawField:
    """One header field: its name in lower case and its bytes with the line end."""

    name: str
    raw: bytes

    @property
    def value(self) -> str:
        """The text after the colon, unfolded, not decoded."""
        text = self.raw.partition(b":")[2].decode("utf-8", "replace")
        return _FOLD.sub("", text).strip()


@dataclass(frozen=True, slots=True)
class Split:
    """A message as its header fields and the rest."""

    fields: tuple[RawField, ...]
    body: bytes

    def first(self, name: str) -> str | None:
        """The value of the first field `name` (lower case)."""
        return next((field.value for field in self.fields if field.name == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of all fields `name` (lower case)."""
        return tuple(field.value for field in self.fields if field.name == name)

    def without(self, names: Iterable[str]) -> Split:
        """The same without the fields `names` (lower case)."""
        gone = frozenset(names)
        return Split(tuple(field for field in self.fields if field.name not in gone), self.body)

    def with_field(self, field: Field) -> Split:
        """The same with `field` in the place of the first of its name, or at the end."""
        name = field[0].lower()
        new = RawField(name, block([field]))
        at = next((i for i, one in enumerate(self.fields) if one.name == name), None)
        kept = [one for one in self.fields if one.name != name]
        kept.insert(len(kept) if at is None else _kept_before(self.fields, at, name), new)
        return Split(tuple(kept), self.body)

    def joined(self) -> bytes:
        """The message again."""
        return b"".join(field.raw for field in self.fields) + b"\r\n" + self.body


def _kept_before(fields: Sequence[RawField], at: int, name: str) -> int:
    return sum(1 for one in fields[:at] if one.name != name)


def split(raw: bytes) -> Split:
    """The header fields of `raw`, whose line ends become CRLF (RFC 5322 2.1).

    A line that is no field ends the header: what has no header at all is all body.
    """
    text = _BARE.sub(b"\r\n", raw)
    fields: list[RawField] = []
    at = 0
    while at < len(text):
        if text.startswith(b"\r\n", at):
            return Split(tuple(fields), text[at + 2 :])
        end = _field_end(text, at)
        found = _FIELD_START.match(text, at, end)
        if found is None:
            return Split(tuple(fields), text[at:])
        name = found.group()[:-1].rstrip().decode("ascii").lower()
        line = text[at:end]
        fields.append(RawField(name, line if line.endswith(b"\r\n") else line + b"\r\n"))
        at = end
    return Split(tuple(fields), b"")


def _field_end(text: bytes, start: int) -> int:
    end = start
    while True:
        found = text.find(b"\r\n", end)
        if found < 0:
            return len(text)
        end = found + 2
        if text[end : end + 1] not in (b" ", b"\t"):
            return end


def without_bcc(raw: bytes) -> bytes:
    """`raw` as it may be transmitted: without Bcc (contract F3)."""
    parts = split(raw)
    return parts.without({"bcc", "resent-bcc"}).joined()
