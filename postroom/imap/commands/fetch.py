"""FETCH (RFC 9051 6.4.5), by UID or by number, with CHANGEDSINCE and VANISHED (RFC 7162).

A server may split what was asked for over several responses, and may tell news of other messages
in between. So a response belongs to this command when its message was asked for; responses about
the same message are joined, unless the caller takes them one by one (`on_message`), which keeps a
FETCH of 500,000 messages from piling up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import merged
from postroom.imap.responses import Response, Tagged
from postroom.imap.sets import UidSet, parse_set
from postroom.imap.types import Fetched, FetchedMessage

# Without `on_message` the answer is held until its end: 100 mails of 2 MB, or a listing of a
# thousand of the largest pages. More is a server that goes on and on (invariant I28).
MOST_GATHERED_BYTES = 256 * 1024 * 1024
MOST_GATHERED = 1_000_000

OnMessage = Callable[[FetchedMessage], None]


@dataclass(frozen=True, slots=True)
class Fetch(Command[tuple[FetchedMessage, ...]]):
    """Data of messages; empty when `on_message` takes them."""

    numbers: str
    items: str
    by_uid: bool = True
    changed_since: int | None = None
    vanished: bool = False
    on_message: OnMessage | None = None

    def start(self, offered: Offered) -> Exchange[tuple[FetchedMessage, ...]]:
        line = Line(offered).raw("UID FETCH" if self.by_uid else "FETCH")
        line.numbers(self.numbers).raw(self.items)
        if self.changed_since is not None:
            vanished = " VANISHED" if self.vanished else ""
            line.raw(f"(CHANGEDSINCE {self.changed_since}{vanished})")
        gathering = Gathering(wanted(self.numbers), self.by_uid, self.on_message)
        return Exchange(line.end(), gathering.finish, gathering.take)


def wanted(numbers: str) -> UidSet | None:
    """The numbers a response may have; None for all.

    With `*` all are taken: `900:*` also names the last message when its UID is below 900, and
    `$` is what the server found last.
    """
    if "*" in numbers or numbers == "$":
        return None
    return parse_set(numbers)


@dataclass(slots=True)
class Gathering:
    """The messages that have come so far."""

    wanted: UidSet | None
    by_uid: bool
    on_message: OnMessage | None = None
    found: dict[int, FetchedMessage] = field(default_factory=dict)
    held_bytes: int = 0

    def take(self, response: Response) -> bool:
        if not isinstance(response, Fetched):
            return False
        message = response.message
        # RFC 9051 6.4.9: every response caused by UID FETCH has the UID in it.
        number = message.uid if self.by_uid else message.seq
        if number is None or (self.wanted is not None and number not in self.wanted):
            return False
        if self.on_message is not None:
            self.on_message(message)
            return True
        self.held_bytes += sum(map(len, message.sections.values()))
        if self.held_bytes > MOST_GATHERED_BYTES or len(self.found) >= MOST_GATHERED:
            raise ProtocolViolation("The mail server sent more data of messages than the limit")
        known = self.found.get(number)
        self.found[number] = message if known is None else merged(known, message)
        return True

    def finish(self, _tagged: Tagged) -> tuple[FetchedMessage, ...]:
        return tuple(self.found.values())
