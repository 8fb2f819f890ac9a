"""SORT and UID SORT (RFC 5256): what matches, in an order that the server makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.commands.search import Criterion, write_criteria
from postroom.imap.encode import Line, Offered
from postroom.imap.types import Sorted

SortKey = Literal[
    "ARRIVAL",
    "CC",
    "DATE",
    "FROM",
    "SIZE",
    "SUBJECT",
    "TO",
    "REVERSE ARRIVAL",
    "REVERSE CC",
    "REVERSE DATE",
    "REVERSE FROM",
    "REVERSE SIZE",
    "REVERSE SUBJECT",
    "REVERSE TO",
]


@dataclass(frozen=True, slots=True)
class Sort(Command[tuple[int, ...]]):
    """The numbers of the messages that match, sorted by the keys; needs the SORT capability."""

    keys: tuple[SortKey, ...]
    criteria: tuple[Criterion, ...] = ()
    by_uid: bool = True

    def start(self, offered: Offered) -> Exchange[tuple[int, ...]]:
        found, take = collect(Sorted)
        line = Line(offered).raw("UID SORT" if self.by_uid else "SORT")
        # RFC 5256 3: the charset is not optional here.
        line.raw(f"({' '.join(self.keys)})").raw("UTF-8")
        write_criteria(line, self.criteria)
        return Exchange(
            line.end(),
            lambda _tagged: tuple(number for one in found for number in one.numbers),
            take,
        )
