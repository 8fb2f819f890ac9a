"""SEARCH over the messages of a mailbox in memory (RFC 9051 6.4.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from postroom.demo import rendering
from postroom.demo.mailstore import StoredMessage
from postroom.imap import reading
from postroom.imap.dates import parse_internal_date
from postroom.imap.errors import ProtocolViolation
from postroom.imap.sets import MOST_NUMBER, UidSet, parse_set
from postroom.imap.tokens import Token

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message with its number in the session, and the highest numbers for `*`."""

    seq: int
    message: StoredMessage
    last_seq: int
    last_uid: int


Test = Callable[[Candidate], bool]

_FLAG_KEYS = {
    "SEEN": "\\Seen",
    "ANSWERED": "\\Answered",
    "FLAGGED": "\\Flagged",
    "DELETED": "\\Deleted",
    "DRAFT": "\\Draft",
}
_ADDRESS_KEYS = frozenset({"FROM", "TO", "CC", "BCC", "SUBJECT"})
_SET = re.compile(r"[0-9*][0-9:,*]*\Z")


class Criteria:
    """Reads search keys one after the other into tests."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = list(tokens)

    def read_all(self) -> Test:
        """All keys must hold."""
        tests = []
        while self._tokens:
            tests.append(self._read())
        return lambda candidate: all(test(candidate) for test in tests)

    def _next(self) -> Token:
        if not self._tokens:
            raise ProtocolViolation("Missing search argument")
        return self._tokens.pop(0)

    def _text(self) -> str:
        return reading.text(self._next()) or ""

    def _number(self) -> int:
        return reading.number(self._next()) or 0

    def _read(self) -> Test:
        token = self._next()
        if isinstance(token, list):
            return Criteria(tuple(token)).read_all()
        key = (reading.text(token) or "").upper()
        if _SET.match(key):
            wanted = parse_set(key)
            return lambda found: in_set(found.seq, wanted, found.last_seq)
        if key.removeprefix("UN") in _FLAG_KEYS:
            return self._flag(_FLAG_KEYS[key.removeprefix("UN")], key.startswith("UN"))
        if key in _ADDRESS_KEYS:
            return self._header(key)
        reader = _READERS.get(key)
        if reader is None:
            raise ProtocolViolation("Unknown search key")
        return reader(self)

    def _flag(self, flag: str, is_absent: bool) -> Test:
        return lambda found: _has(found.message, flag) != is_absent

    def _header(self, name: str) -> Test:
        wanted = self._text().lower()
        return lambda found: any(
            wanted in str(value).lower()
            for value in rendering.parse(found.message.raw).fields.get_all(name, [])
        )

    def all(self) -> Test:
        return lambda _found: True

    def negated(self) -> Test:
        test = self._read()
        return lambda found: not test(found)

    def either(self) -> Test:
        first, second = self._read(), self._read()
        return lambda found: first(found) or second(found)

    def keyword(self) -> Test:
        return self._flag(self._text(), is_absent=False)

    def unkeyword(self) -> Test:
        return self._flag(self._text(), is_absent=True)

    def header(self) -> Test:
        return self._header(self._text())

    def text(self) -> Test:
        wanted = self._text().lower().encode()
        return lambda found: wanted in found.message.raw.lower()

    def body(self) -> Test:
        wanted = self._text().lower().encode()
        return lambda found: wanted in rendering.parse(found.message.raw).body.lower()

    def uid(self) -> Test:
        wanted = parse_set(self._text())
        return lambda found: in_set(found.message.uid, wanted, found.last_uid)

    def larger(self) -> Test:
        size = self._number()
        return lambda found: len(found.message.raw) > size

    def smaller(self) -> Test:
        size = self._number()
        return lambda found: len(found.message.raw) < size

    def modseq(self) -> Test:
        least = self._number()
        return lambda found: found.message.modseq >= least

    def since(self) -> Test:
        day = self._day()
        return lambda found: found.message.internal_date_ms >= day

    def before(self) -> Test:
        day = self._day()
        return lambda found: found.message.internal_date_ms < day

    def on(self) -> Test:
        day = self._day()
        return lambda found: day <= found.message.internal_date_ms < day + DAY_MS

    def _day(self) -> int:
        day = parse_internal_date(f"{self._text()} 00:00:00 +0000".encode())
        if day is None:
            raise ProtocolViolation("Malformed date")
        return day

    def charset(self) -> Test:
        self._next()
        return self.all()


_READERS: dict[str, Callable[[Criteria], Test]] = {
    "ALL": Criteria.all,
    "NOT": Criteria.negated,
    "OR": Criteria.either,
    "KEYWORD": Criteria.keyword,
    "UNKEYWORD": Criteria.unkeyword,
    "HEADER": Criteria.header,
    "TEXT": Criteria.text,
    "BODY": Criteria.body,
    "UID": Criteria.uid,
    "LARGER": Criteria.larger,
    "SMALLER": Criteria.smaller,
    "MODSEQ": Criteria.modseq,
    "SINCE": Criteria.since,
    "BEFORE": Criteria.before,
    "ON": Criteria.on,
    "SENTSINCE": Criteria.since,
    "SENTBEFORE": Criteria.before,
    "SENTON": Criteria.on,
    "CHARSET": Criteria.charset,
}


def in_set(number: int, wanted: UidSet, last: int) -> bool:
    """Whether a number is named by a set; `*` is the last number there is."""
    if number in wanted:
        return True
    return wanted.has_star and number == last and _starred_low(wanted) >= last


def _starred_low(wanted: UidSet) -> int:
    """The lower end of the range that ends in `*`: `900:*` names 5 when 5 is the last."""
    return next((first for first, end in wanted.ranges if end == MOST_NUMBER), MOST_NUMBER)


def _has(message: StoredMessage, flag: str) -> bool:
    return flag.lower() in (known.lower() for known in message.flags)
