"""Turns one complete response into a value.

Three kinds exist (RFC 9051 7): status (OK NO BAD BYE PREAUTH, tagged or not) whose text is free and
is never tokenised, a continuation request, and data. Data is read by a table keyed by its name; a
name that is not in the table becomes `Unread` and troubles nobody. A malformed item inside a
well-formed response costs that item, not the connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from postroom.imap import reading
from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import read_fetch
from postroom.imap.sets import MOST_NUMBER, UidSet, parse_set
from postroom.imap.tokens import Token, tokenise
from postroom.imap.types import (
    Exists,
    Expunged,
    Fetched,
    ListedMailbox,
    MailboxStatus,
    Quota,
    Vanished,
)


class Code(msgspec.Struct, frozen=True, gc=False):
    """A response code: `[UIDVALIDITY 7]` is name UIDVALIDITY, values ["7"]."""

    name: str
    values: list[Token] = []


class Tagged(msgspec.Struct, frozen=True, gc=False):
    """The end of a command."""

    tag: str
    status: str
    code: Code | None
    text: str


class Notice(msgspec.Struct, frozen=True, gc=False):
    """An untagged OK, NO, BAD, BYE or PREAUTH."""

    status: str
    code: Code | None
    text: str


class Continuation(msgspec.Struct, frozen=True, gc=False):
    """The server asks for more: the next literal, a SASL answer, or just says that IDLE began."""

    text: bytes


class Recent(msgspec.Struct, frozen=True, gc=False):
    """Ignored: IMAP4rev2 dropped it."""

    count: int


class Capabilities(msgspec.Struct, frozen=True, gc=False):
    names: frozenset[str]


class EnabledNow(msgspec.Struct, frozen=True, gc=False):
    names: frozenset[str]


class Listed(msgspec.Struct, frozen=True, gc=False):
    """A line of LIST, LSUB or XLIST."""

    name: str
    mailbox: ListedMailbox


class Told(msgspec.Struct, frozen=True, gc=False):
    """The answer to STATUS."""

    status: MailboxStatus


class Found(msgspec.Struct, frozen=True, gc=False):
    """The answer to SEARCH: its numbers in order."""

    numbers: tuple[int, ...]


class FoundSet(msgspec.Struct, frozen=True, gc=False):
    """The answer to an extended SEARCH (ESEARCH, RFC 4731)."""

    numbers: UidSet
    count: int | None = None


class FlagsKnown(msgspec.Struct, frozen=True, gc=False):
    flags: tuple[str, ...]


class Namespaces(msgspec.Struct, frozen=True, gc=False):
    """The first personal namespace."""

    prefix: str
    delimiter: str | None


class Identity(msgspec.Struct, frozen=True, gc=False):
    fields: dict[str, str]


class QuotaTold(msgspec.Struct, frozen=True, gc=False):
    quota: Quota


class Unread(msgspec.Struct, frozen=True, gc=False):
    """Data that nothing here understands."""

    name: str
    values: list[Token] = []


Response = (
    Tagged
    | Notice
    | Continuation
    | Recent
    | Capabilities
    | EnabledNow
    | Listed
    | Told
    | Found
    | FoundSet
    | FlagsKnown
    | Namespaces
    | Identity
    | QuotaTold
    | Unread
    | Exists
    | Expunged
    | Fetched
    | Vanished
)

_STATUS = re.compile(
    rb"([^ ]{1,64}) (OK|NO|BAD|BYE|PREAUTH)(?: +(.*))?\Z", re.IGNORECASE | re.DOTALL
)
# `]` inside a quoted string does not end the code; neither does one inside PERMANENTFLAGS's list.
_CODE = re.compile(rb'\[((?:"(?:[^"\\]|\\.)*"|\([^)]*\)|[^\]"(])*+)\] ?', re.DOTALL)


def read_response(raw: bytes) -> Response:
    """The value of one complete response; raises ProtocolViolation when it is not IMAP."""
    if raw[:1] == b"+":
        return Continuation(raw[1:].strip(b" "))
    found = _STATUS.match(raw)
    if found is not None:
        return _status(found)
    if raw[:2] != b"* ":
        raise ProtocolViolation("The mail server sent something that is not IMAP")
    return _data(tokenise(raw[2:]))


def _status(found: re.Match[bytes]) -> Tagged | Notice:
    tag = found[1].decode("latin-1")
    status = found[2].decode("ascii").upper()
    code, text = read_code(found[3] or b"")
    if tag == "*":
        return Notice(status, code, text)
    return Tagged(tag, status, code, text)


def read_code(text: bytes) -> tuple[Code | None, str]:
    """Split the text of a status response into its code and what is for people."""
    found = _CODE.match(text)
    if found is None:
        return None, reading.text_of(text)
    name, _, arguments = found[1].partition(b" ")
    try:
        values = tokenise(arguments)
    except ProtocolViolation:
        # A code is a hint: a broken one is a code without values.
        values = []
    return Code(name.decode("latin-1").upper(), values), reading.text_of(text[found.end() :])


def _data(values: list[Token]) -> Response:
    if not values or not isinstance(values[0], str):
        raise ProtocolViolation("The mail server sent something that is not IMAP")
    first = values[0]
    if first.isdigit() and len(values) > 1 and isinstance(values[1], str):
        return _numbered(reading.number(first), values[1].upper(), values)
    reader = _READERS.get(first.upper())
    if reader is None:
        return Unread(first.upper(), values[1:])
    return reader(values[1:]) or Unread(first.upper(), values[1:])


def _numbered(number: int | None, name: str, values: list[Token]) -> Response:
    if number is None or number > MOST_NUMBER:
        # A count that cannot be is no count: taken for 0 it would empty a mailbox.
        return Unread(name, values)
    if name == "FETCH" and len(values) > 2 and isinstance(values[2], list):
        return Fetched(read_fetch(number, values[2]))
    if name == "EXISTS":
        return Exists(number)
    if name == "EXPUNGE":
        return Expunged(number)
    if name == "RECENT":
        return Recent(number)
    if name == "FETCH":
        raise ProtocolViolation("The mail server sent a malformed FETCH response")
    return Unread(name, values)


def _capability(values: list[Token]) -> Response:
    return Capabilities(names_of(values))


def names_of(values: list[Token]) -> frozenset[str]:
    """Atoms in upper case."""
    return frozenset(value.upper() for value in values if isinstance(value, str))


def _enabled(values: list[Token]) -> Response:
    return EnabledNow(names_of(values))


def _listed(name: str) -> Callable[[list[Token]], Response | None]:
    def read(values: list[Token]) -> Response | None:
        if len(values) < 3 or not isinstance(values[0], list):
            return None
        path = reading.mailbox(values[2])
        delimiter = reading.text(values[1]) or None
        attributes = frozenset(value for value in values[0] if isinstance(value, str))
        return Listed(name, ListedMailbox(path, delimiter, attributes))

    return read


def _told(values: list[Token]) -> Response | None:
    # The list is the last value: Exchange has sent unquoted paths with spaces before it.
    if len(values) < 2 or not isinstance(values[-1], list):
        return None
    return Told(reading.status(values[0], values[-1]))


def _found(values: list[Token]) -> Response:
    # `(MODSEQ n)` may end the line (RFC 7162 3.1.5); it is no message number.
    numbers = (reading.number(value) for value in values)
    return Found(tuple(number for number in numbers if number is not None))


def _found_set(values: list[Token]) -> Response:
    pairs = reading.pairs([value for value in values if isinstance(value, str) and value != "UID"])
    found = pairs.get("ALL")
    numbers = parse_set(found) if isinstance(found, str) else UidSet()
    return FoundSet(numbers, reading.number(pairs.get("COUNT")))


def _flags(values: list[Token]) -> Response | None:
    return FlagsKnown(reading.flags(values[0])) if values else None


def _namespace(values: list[Token]) -> Response | None:
    personal = values[0] if values else None
    if not isinstance(personal, list) or not personal or not isinstance(personal[0], list):
        return Namespaces("", None)
    first = [*personal[0], None, None]
    return Namespaces(reading.mailbox(first[0]) if first[0] else "", reading.text(first[1]))


def _identity(values: list[Token]) -> Response:
    fields = values[0] if values and isinstance(values[0], list) else []
    return Identity(reading.parameters(fields))


def _vanished(values: list[Token]) -> Response | None:
    if not values or not isinstance(values[-1], str):
        return None
    return Vanished(parse_set(values[-1]), earlier=isinstance(values[0], list))


def _quota(values: list[Token]) -> Response | None:
    if len(values) < 2 or not isinstance(values[1], list):
        return None
    told = values[1]
    resources = {}
    for at in range(0, len(told) - 2, 3):
        name, used, limit = told[at : at + 3]
        resources[reading.text(name) or ""] = (
            reading.number(used) or 0,
            reading.number(limit) or 0,
        )
    return QuotaTold(Quota(reading.text(values[0]) or "", resources))


_READERS: dict[str, Callable[[list[Token]], Response | None]] = {
    "CAPABILITY": _capability,
    "ENABLED": _enabled,
    "LIST": _listed("LIST"),
    "LSUB": _listed("LSUB"),
    "XLIST": _listed("XLIST"),
    "STATUS": _told,
    "SEARCH": _found,
    "ESEARCH": _found_set,
    "FLAGS": _flags,
    "NAMESPACE": _namespace,
    "ID": _identity,
    "VANISHED": _vanished,
    "QUOTA": _quota,
}
