"""SEARCH (RFC 9051 6.4.4) and UID SEARCH.

Criteria are a tuple in the order they are sent: a `str` is a key, a date or a text (written bare,
quoted or as a literal, as it needs), `bytes` a text, an `int` a number, a tuple a group in
parentheses. `Key` is protocol text that goes out as it stands: only a set with `*` needs it.
So: ("SINCE", "1-Jan-2026", "NOT", ("FROM", "a b"), "UID", Key("7:*")).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.responses import Found, FoundSet, Response
from postroom.imap.sets import MOST_EXPANDED, expand


class Key(str):
    """Protocol text that is sent as it stands."""

    __slots__ = ()


Criterion = Union[str, bytes, int, "tuple[Criterion, ...]"]


@dataclass(frozen=True, slots=True)
class Search(Command[tuple[int, ...]]):
    """The numbers of the messages that match, in ascending order."""

    criteria: tuple[Criterion, ...] = ()
    by_uid: bool = True

    def start(self, offered: Offered) -> Exchange[tuple[int, ...]]:
        numbers: set[int] = set()

        def take(response: Response) -> bool:
            if isinstance(response, Found):
                numbers.update(response.numbers)
            elif isinstance(response, FoundSet):
                numbers.update(expand(response.numbers.ranges))
            else:
                return False
            if len(numbers) > MOST_EXPANDED:
                raise ProtocolViolation("The mail server found messages beyond the limit")
            return True

        return Exchange(self._line(offered), lambda _tagged: tuple(sorted(numbers)), take)

    def _line(self, offered: Offered) -> tuple[bytes, ...]:
        line = Line(offered).raw("UID SEARCH" if self.by_uid else "SEARCH")
        # RFC 6855 3: after UTF8=ACCEPT a CHARSET is an error.
        if not offered.is_utf8 and any(_is_wide(text) for text in _texts(self.criteria)):
            line.raw("CHARSET UTF-8")
        for criterion in self.criteria or ("ALL",):
            _write(line, criterion)
        return line.end()


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


def _is_wide(text: str | bytes) -> bool:
    return not text.isascii()
