"""The flags of many messages: FETCH (UID FLAGS) for sync, as numbers and nothing else.

Answers of 500,000 lines are usual, so the plain lines among them are read by the run
(`imap.lines`); what comes in another form takes the usual road and means the same. Flag news that
nobody asked for are data as well: they are newer than what was listed. A FETCH response without a
UID, or with one that cannot be, is no data; it stays news, because something did change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.lines import MOST_UID, FlagLines
from postroom.imap.responses import Response, Tagged
from postroom.imap.sets import UidSet, united
from postroom.imap.types import Fetched, FetchedMessage, Vanished

# Bigger mailboxes are not synced: their index alone would be 160 MB.
MOST_MESSAGES = 10_000_000


class FlagListing(msgspec.Struct, frozen=True):
    """What ListFlags learned: UID -> mask, UIDs told without flags, UIDs told as gone."""

    entries: dict[int, int]
    bare: frozenset[int]
    vanished: UidSet | None


@dataclass(frozen=True, slots=True)
class ListFlags(Command[FlagListing]):
    """UIDs with the mask of their flags.

    `numbers` are UIDs, or sequence numbers unless `by_uid`; `vanished` needs `changed_since` and
    QRESYNC enabled (RFC 7162 3.2.6).
    """

    numbers: str
    mask: Callable[[tuple[str, ...]], int]
    by_uid: bool = True
    changed_since: int | None = None
    vanished: bool = False
    most: int = MOST_MESSAGES

    def start(self, offered: Offered) -> Exchange[FlagListing]:
        line = Line(offered).raw("UID FETCH" if self.by_uid else "FETCH")
        line.numbers(self.numbers).raw("(UID FLAGS)")
        if self.changed_since is not None:
            vanished = " VANISHED" if self.vanished else ""
            line.raw(f"(CHANGEDSINCE {self.changed_since}{vanished})")
        listed = _Listed(FlagLines(self.mask, self.most), self.vanished)
        return Exchange(line.end(), listed.finish, listed.take, lines=listed.lines)


@dataclass(slots=True)
class _Listed:
    """What has come so far."""

    lines: FlagLines
    with_vanished: bool
    bare: set[int] = field(default_factory=set)
    vanished: UidSet | None = None

    def take(self, response: Response) -> bool:
        if isinstance(response, Fetched):
            return self._take_message(response.message)
        # Without EARLIER it is news: numbers moved (RFC 7162 3.2.10).
        if self.with_vanished and isinstance(response, Vanished) and response.earlier:
            known = self.vanished
            self.vanished = response.uids if known is None else united(known, response.uids)
            return True
        return False

    def _take_message(self, message: FetchedMessage) -> bool:
        uid = message.uid
        if uid is None or uid > MOST_UID:
            return False
        if message.flags is None:
            self.bare.add(uid)
            self.lines.check(len(self.bare))
        else:
            self.lines.entries[uid] = self.lines.mask(message.flags)
            self.lines.check(len(self.lines.entries))
        return True

    def finish(self, _tagged: Tagged) -> FlagListing:
        entries = self.lines.entries
        return FlagListing(entries, frozenset(self.bare - entries.keys()), self.vanished)
