"""Turns one complete response into a value.

Three kinds exist (RFC 9051 7): status (OK NO BAD BYE PREAUTH, tagged or not) whose text is free and
is never tokenised, a continuation request, and data. Data is read by a table keyed by its name; a
name that is not in the table becomes `Unread` and troubles nobody. A malformed item inside a
well-formed response costs that item, not the connection.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from postroom.imap import reading
from postroom.imap.data import read_data
from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import read_fetch
from postroom.imap.salvage import salvage
from postroom.imap.sets import MOST_NUMBER, read_numbers
from postroom.imap.tokens import Token
from postroom.imap.twins import CHOSEN
from postroom.imap.types import (
    Exists,
    Expunged,
    Fetched,
    Found,
    Listed,
    Namespaces,
    Quota,
    QuotaRoots,
    Sorted,
    Threaded,
    Told,
    Vanished,
)

# A capability list of a real server has some 500 characters; one beyond this is kept by nobody.
MOST_SHARED_TEXT = 4096
Tokenise = Callable[[bytes, int], list[Token]]


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


class FlagsKnown(msgspec.Struct, frozen=True, gc=False):
    flags: tuple[str, ...]


class Identity(msgspec.Struct, frozen=True, gc=False):
    fields: dict[str, str]


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
    | FlagsKnown
    | Namespaces
    | QuotaRoots
    | Sorted
    | Threaded
    | Identity
    | Quota
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


# Nearly all of what a mailbox of 500,000 messages answers to SEARCH: kept away from the tokeniser.
_NUMBERS = re.compile(rb"\* SEARCH((?: [0-9]++)*+) ?\Z", re.IGNORECASE)
_NAME = re.compile(rb"\* ([A-Za-z-]{1,32})(?= |\Z)")


def read_response(
    raw: bytes, *, is_utf8: bool = False, tokenise: Tokenise = CHOSEN.tokenise
) -> Response:
    """The value of one complete response; raises ProtocolViolation when it is not IMAP.

    With `is_utf8` mailbox names are UTF-8, else modified UTF-7.
    """
    if raw[:1] == b"+":
        return Continuation(raw[1:].strip(b" "))
    found = _STATUS.match(raw)
    if found is not None:
        return _status(found, tokenise)
    if raw[:2] != b"* ":
        raise ProtocolViolation("The mail server sent something that is not IMAP")
    numbers = _NUMBERS.match(raw)
    if numbers is not None:
        return Found(read_numbers(numbers[1]))
    try:
        values = tokenise(raw, 2)
    except ProtocolViolation:
        return _broken(raw)
    return _data(values, is_utf8)


def _broken(raw: bytes) -> Response:
    """What is left of data that breaks the grammar: a message's first items, or just a name."""
    message = salvage(raw)
    if message is not None:
        return Fetched(message)
    found = _NAME.match(raw)
    if found is None:
        raise ProtocolViolation("The mail server sent something that is not IMAP")
    return Unread(found[1].decode("ascii").upper())


def _status(found: re.Match[bytes], tokenise: Tokenise) -> Tagged | Notice:
    tag = found[1].decode("latin-1")
    status = found[2].decode("ascii").upper()
    code, text = read_code(found[3] or b"", tokenise)
    if tag == "*":
        return Notice(status, code, text)
    return Tagged(tag, status, code, text)


def read_code(text: bytes, tokenise: Tokenise = CHOSEN.tokenise) -> tuple[Code | None, str]:
    """Split the text of a status response into its code and what is for people."""
    found = _CODE.match(text)
    if found is None:
        return None, reading.text_of(text)
    name, _, arguments = found[1].partition(b" ")
    try:
        values = tokenise(arguments, 0)
    except ProtocolViolation:
        # A code is a hint: a broken one is a code without values.
        values = []
    return Code(name.decode("latin-1").upper(), values), reading.text_of(text[found.end() :])


def _data(values: list[Token], is_utf8: bool) -> Response:
    if not values or not isinstance(values[0], str):
        raise ProtocolViolation("The mail server sent something that is not IMAP")
    first = values[0]
    if first.isdigit() and len(values) > 1 and isinstance(values[1], str):
        return _numbered(reading.number(first), values[1].upper(), values)
    name, told = first.upper(), values[1:]
    reader = _READERS.get(name)
    if reader is not None:
        return reader(told) or Unread(name, told)
    return read_data(name, told, is_utf8=is_utf8) or Unread(name, told)


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
    return Unread(name, values)


def _capability(values: list[Token]) -> Response | None:
    names = names_of(values)
    # sohu.com answers NAMESPACE with `* CAPABILITY (("" "/")) NIL NIL`.
    return Capabilities(names) if any(name.startswith("IMAP4") for name in names) else None


def names_of(values: list[Token]) -> frozenset[str]:
    """Atoms in upper case; connections to the same kind of server share one set."""
    return shared_names(frozenset(value.upper() for value in values if isinstance(value, str)))


def shared_names(names: frozenset[str]) -> frozenset[str]:
    """The one set of these names that all connections hold."""
    return _shared(names) if sum(map(len, names)) <= MOST_SHARED_TEXT else names


@lru_cache(maxsize=64)
def _shared(names: frozenset[str]) -> frozenset[str]:
    return names


def _enabled(values: list[Token]) -> Response:
    return EnabledNow(names_of(values))


def _flags(values: list[Token]) -> Response | None:
    return FlagsKnown(reading.flags(values[0])) if values else None


def _identity(values: list[Token]) -> Response:
    fields = values[0] if values and isinstance(values[0], list) else []
    return Identity(reading.parameters(fields))


_READERS: dict[str, Callable[[list[Token]], Response | None]] = {
    "CAPABILITY": _capability,
    "ENABLED": _enabled,
    "FLAGS": _flags,
    "ID": _identity,
}
