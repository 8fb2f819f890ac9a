"""THREAD and UID THREAD (RFC 5256): what matches, as conversations that the server makes."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.commands.search import Criterion, write_criteria
from postroom.imap.encode import Line, Offered
from postroom.imap.types import Thread, Threaded

# The better first: REFS is REFERENCES without guesses by the subject.
_ALGORITHMS = ("REFS", "REFERENCES", "ORDEREDSUBJECT")


@dataclass(frozen=True, slots=True)
class FindThreads(Command[tuple[Thread, ...]]):
    """The threads of the messages that match, by the best algorithm the server has."""

    criteria: tuple[Criterion, ...] = ()
    by_uid: bool = True

    def start(self, offered: Offered) -> Exchange[tuple[Thread, ...]]:
        found, take = collect(Threaded)
        known = [name for name in _ALGORITHMS if offered.has(f"THREAD={name}")]
        line = Line(offered).raw("UID THREAD" if self.by_uid else "THREAD")
        # RFC 5256 5: a server with THREAD has at least ORDEREDSUBJECT.
        line.raw(known[0] if known else "ORDEREDSUBJECT").raw("UTF-8")
        write_criteria(line, self.criteria)
        return Exchange(
            line.end(),
            lambda _tagged: tuple(thread for one in found for thread in one.threads),
            take,
        )
