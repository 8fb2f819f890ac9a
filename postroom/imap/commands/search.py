"""SEARCH (RFC 9051 6.4.4) and UID SEARCH, extended (RFC 4731) where the server offers it.

Criteria are a tuple in the order they are sent: a `str` is a key, a date or a text (written bare,
quoted or as a literal, as it needs), `bytes` a text, an `int` a number, a tuple a group in
parentheses. `Key` is protocol text that goes out as it stands: only a set with `*` needs it.
So: ("SINCE", "1-Jan-2026", "NOT", ("FROM", "a b"), "UID", Key("7:*")).

An extended answer comes as ranges: half a million messages found are some bytes. Least, most and
count are worked out here where the server only lists numbers, so callers never see a difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Union

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import AnswerUnreadable, ProtocolViolation
from postroom.imap.responses import Response, Tagged
from postroom.imap.sets import MOST_EXPANDED, UidSet, expand, united
from postroom.imap.types import Found


class Key(str):
    """Protocol text that is sent as it stands."""

    __slots__ = ()


Criterion = Union[str, bytes, int, "tuple[Criterion, ...]"]
Wanted = Literal["ALL", "MIN", "MAX", "COUNT"]


@dataclass(frozen=True, slots=True)
class Find(Command[Found]):
    """What matches, as ranges; `wanted` says what of it the caller looks at.

    `last` = (from, to) asks for that part of what matches only, counted from the highest: (1, 20)
    are the 20 highest (PARTIAL, RFC 9394). It needs the extension; the count is told with it.

    With `save` the server remembers the numbers as `$` for the next command of this mailbox
    (SEARCHRES, RFC 5182); without the extension nothing is saved.
    """

    criteria: tuple[Criterion, ...] = ()
    by_uid: bool = True
    wanted: tuple[Wanted, ...] = ("ALL",)
    save: bool = False
    last: tuple[int, int] | None = None

    def start(self, offered: Offered) -> Exchange[Found]:
        gathering = _Gathering(is_part=self.last is not None)
        return Exchange(self._line(offered), gathering.finish, gathering.take)

    def _line(self, offered: Offered) -> tuple[bytes, ...]:
        line = Line(offered).raw("UID SEARCH" if self.by_uid else "SEARCH")
        if offered.has("ESEARCH"):
            line.raw(f"RETURN ({' '.join(self._options(offered))})")
        charset(line, self.criteria)
        write_criteria(line, self.criteria)
        return line.end()

    def _options(self, offered: Offered) -> list[str]:
        # RFC 9394 3.1: PARTIAL and ALL exclude each other.
        options: list[str] = [name for name in self.wanted if self.last is None or name != "ALL"]
        if self.last is not None:
            options += ["COUNT"] if "COUNT" not in options else []
            options.append(f"PARTIAL -{self.last[0]}:-{self.last[1]}")
        if self.save and offered.has("SEARCHRES"):
            options.append("SAVE")
        return options


@dataclass(frozen=True, slots=True)
class Search(Command[tuple[int, ...]]):
    """The numbers of the messages that match, one by one in ascending order: for small answers."""

    criteria: tuple[Criterion, ...] = ()
    by_uid: bool = True

    def start(self, offered: Offered) -> Exchange[tuple[int, ...]]:
        ranges = Find(self.criteria, self.by_uid).start(offered)
        return Exchange(
            ranges.segments,
            lambda tagged: expand(ranges.finish(tagged).numbers.ranges),
            ranges.take,
        )


@dataclass(slots=True)
class _Gathering:
    """The answers so far; servers have split one over several lines."""

    is_part: bool
    found: list[Found] = field(default_factory=list)
    count: int = 0

    def take(self, response: Response) -> bool:
        if not isinstance(response, Found):
            return False
        self.found.append(response)
        self.count += len(response.numbers)
        if self.count > MOST_EXPANDED:
            raise ProtocolViolation("The mail server found messages beyond the limit")
        return True

    def finish(self, tagged: Tagged) -> Found:
        found = _belonging(self.found, tagged.tag)
        if not all(one.is_whole for one in found):
            # A part of what was found would be a wrong answer.
            raise AnswerUnreadable("The mail server told what it found in an unreadable way")
        numbers = united(*(one.numbers for one in found))
        return Found(
            numbers,
            _first(one.least for one in found) or numbers.least,
            _first(one.most for one in found) or numbers.most,
            _counted(found, numbers, is_part=self.is_part),
            _first(one.modseq for one in found),
        )


def _belonging(found: list[Found], tag: str) -> list[Found]:
    """RFC 4731 3.1: an extended answer names its command. Where none does so rightly, all count:
    one command runs at a time, so a wrong tag is a slip of the server."""
    ours = [one for one in found if one.tag is None or one.tag.upper() == tag.upper()]
    return ours or found


def _counted(found: list[Found], numbers: UidSet, *, is_part: bool) -> int:
    """The numbers count for more than what is said of them, unless they are a part."""
    told = _first(one.count for one in found)
    return len(numbers) if told is None or (numbers.ranges and not is_part) else told


def _first(values: Iterable[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def charset(line: Line, criteria: tuple[Criterion, ...]) -> None:
    """Announce UTF-8 when a text needs it. RFC 6855 3: after UTF8=ACCEPT that is an error."""
    if not line.offered.is_utf8 and any(not text.isascii() for text in _texts(criteria)):
        line.raw("CHARSET UTF-8")


def write_criteria(line: Line, criteria: tuple[Criterion, ...]) -> None:
    """The criteria, or ALL when there are none."""
    for criterion in criteria or (Key("ALL"),):
        _write(line, criterion)


def _write(line: Line, criterion: Criterion) -> None:
    if isinstance(criterion, Key):
        line.raw(criterion)
    elif isinstance(criterion, int):
        line.raw(str(criterion))
    elif isinstance(criterion, tuple):
        line.open_list()
        for inner in criterion:
            _write(line, inner)
        line.close_list()
    else:
        line.string(criterion)


def _texts(criteria: tuple[Criterion, ...]) -> Iterator[str | bytes]:
    for criterion in criteria:
        if isinstance(criterion, tuple):
            yield from _texts(criterion)
        elif isinstance(criterion, str | bytes):
            yield criterion
