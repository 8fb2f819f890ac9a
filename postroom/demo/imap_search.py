"""SEARCH over the messages of a mailbox in memory (RFC 9051 6.4.4), extended too (RFC 4731)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from postroom.demo import rendering
from postroom.demo.imap_ids import labels_of
from postroom.demo.imap_session import Answer, Session
from postroom.demo.mailstore import StoredMessage
from postroom.imap import reading
from postroom.imap.dates import parse_internal_date
from postroom.imap.errors import ProtocolViolation
from postroom.imap.server import ClientCommand
from postroom.imap.sets import MOST_NUMBER, UidSet, encode_set, parse_set
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
LabelsOf = Callable[[StoredMessage], list[bytes]]

_FLAG_KEYS = {
    "SEEN": "\\Seen",
    "ANSWERED": "\\Answered",
    "FLAGGED": "\\Flagged",
    "DELETED": "\\Deleted",
    "DRAFT": "\\Draft",
}
_ADDRESS_KEYS = frozenset({"FROM", "TO", "CC", "BCC", "SUBJECT"})
_SET = re.compile(r"[0-9*][0-9:,*]*\Z")


def search(session: Session, command: ClientCommand) -> Answer:
    """SEARCH and UID SEARCH, with RETURN (...) where ESEARCH is offered."""
    view = session.view
    if view is None:
        raise ProtocolViolation("No mailbox is selected")
    by_uid = command.name.startswith("UID ")
    options, keys = _options(session, command.arguments)
    if session.is_utf8 and keys and str(keys[0]).upper() == "CHARSET":
        return Answer("BAD [BADCHARSET] The charset is UTF-8 already")
    test = Criteria(keys, partial(labels_of, session, view.mailbox)).read_all()
    last_uid = view.uids[-1] if view.uids else 0
    found = [
        message.uid if by_uid else seq
        for seq, message in view.messages("1:*", by_uid=False)
        if test(Candidate(seq, message, len(view.uids), last_uid))
    ]
    if options is None:
        line = session.line("SEARCH", *map(str, found))
    else:
        line = _extended(session, command, options, found)
    return Answer("OK Done", [line, *session.news(may_expunge=by_uid)])


def _options(
    session: Session, arguments: tuple[Token, ...]
) -> tuple[list[str] | None, tuple[Token, ...]]:
    if not session.has("ESEARCH") or len(arguments) < 2 or not isinstance(arguments[1], list):
        return None, arguments
    if str(arguments[0]).upper() != "RETURN":
        return None, arguments
    # RFC 4731 3.1: an empty list means ALL.
    return [str(name).upper() for name in arguments[1]] or ["ALL"], arguments[2:]


def _extended(
    session: Session, command: ClientCommand, options: list[str], found: list[int]
) -> bytes:
    values: list[Token] = ["ESEARCH", ["TAG", command.tag.encode("ascii")]]
    if command.name.startswith("UID "):
        values.append("UID")
    if found:
        least_most: dict[str, str] = {"MIN": str(found[0]), "MAX": str(found[-1])}
        least_most["ALL"] = encode_set(found)
        for name in ("MIN", "MAX", "ALL"):
            values += [name, least_most[name]] if name in options else []
    values += ["COUNT", str(len(found))] if "COUNT" in options else []
    if "PARTIAL" in options and session.has("PARTIAL"):
        asked = options[options.index("PARTIAL") + 1]
        part = _part(asked, found)
        values += ["PARTIAL", [asked, encode_set(part) if part else None]]
    return session.line(*values)


def _part(asked: str, found: list[int]) -> list[int]:
    """RFC 9394 3.1: `1:20` are the first twenty, `-1:-20` the last."""
    first, _, last = asked.partition(":")
    low, high = sorted((abs(int(first)), abs(int(last))))
    return (found[::-1] if first.startswith("-") else found)[low - 1 : high]


class Criteria:
    """Reads search keys one after the other into tests."""

    def __init__(self, tokens: tuple[Token, ...], labels_of: LabelsOf) -> None:
        self._tokens = list(tokens)
        self._labels_of = labels_of

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
            return Criteria(tuple(token), self._labels_of).read_all()
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

    def email_id(self) -> Test:
        wanted = self._text()
        return lambda found: found.message.email_id == wanted

    def thread_id(self) -> Test:
        wanted = self._text()
        return lambda found: found.message.thread_id == wanted

    def label(self) -> Test:
        wanted = self._text().lower()
        return lambda found: (
            wanted in [known.decode().lower() for known in self._labels_of(found.message)]
        )

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
    "EMAILID": Criteria.email_id,
    "THREADID": Criteria.thread_id,
    "X-GM-MSGID": Criteria.email_id,
    "X-GM-THRID": Criteria.thread_id,
    "X-GM-LABELS": Criteria.label,
    "X-GM-RAW": Criteria.text,
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
