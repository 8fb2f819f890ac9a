"""How to look at a selected mailbox, decided by values alone.

Contract I4 and I7: QRESYNC (RFC 7162) tells everything since a mod-sequence while the mailbox is
opened; CONDSTORE alone tells what changed, but expunges only by the count; without either, new
messages are found by UID and everything else by a full comparison. A full comparison is made at
least every half hour, whatever the server claims.
Numbers that make no sense choose the full comparison; they never become state (invariant I10).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeGuard

from postroom.errors import ConnectionClosing
from postroom.imap.types import (
    Exists,
    Expunged,
    Fetched,
    MailboxStatus,
    Selected,
    Unsolicited,
    Vanished,
)
from postroom.model.mailbox import MailboxCursor

# Contract I7.
FULL_COMPARE_MS = 30 * 60 * 1000
# RFC 9051 2.3.1.1: UIDVALIDITY and UIDs are non-zero 32-bit numbers.
_MOST = 0xFFFFFFFF


class Nonsense(ConnectionClosing):
    """The server told numbers that cannot be; the mailbox is left as it is (invariant I10)."""

    code = "InvalidServerState"


class Look(enum.Enum):
    """What one pass fetches."""

    NOTHING = "nothing"
    # UIDs from the cursor on; flags and expunges are not asked about.
    NEW = "new"
    # Everything since the cursor's mod-sequence; it came with the answer to EXAMINE.
    RESYNC = "resync"
    # What changed since the cursor's mod-sequence, new messages included.
    CHANGED = "changed"
    # Every UID with its flags.
    FULL = "full"


@dataclass(slots=True)
class News:
    """What the server said by itself since it was last asked."""

    has_grown: bool = False
    has_shrunk: bool = False
    has_flags: bool = False

    def hear(self, told: Unsolicited) -> bool:
        """Take one unsolicited value in; whether it calls for a pass."""
        match told:
            case Exists():
                self.has_grown = True
            case Expunged():
                self.has_shrunk = True
            case Vanished(earlier=False):
                self.has_shrunk = True
            case Fetched():
                self.has_flags = True
            case _:
                return False
        return True

    def __bool__(self) -> bool:
        return self.has_grown or self.has_shrunk or self.has_flags

    def take(self) -> News:
        """What was heard so far; afterwards nothing has been heard."""
        heard = News(self.has_grown, self.has_shrunk, self.has_flags)
        self.has_grown = self.has_shrunk = self.has_flags = False
        return heard


def is_full_due(cursor: MailboxCursor, now_ms: int) -> bool:
    """Whether the whole mailbox has to be compared; also when the clock went back."""
    age = now_ms - cursor.compared_ms
    return not cursor.is_complete or age >= FULL_COMPARE_MS or age < 0


def resync_from(cursor: MailboxCursor, now_ms: int) -> tuple[int, int] | None:
    """UIDVALIDITY and mod-sequence to open the mailbox with, if that can make a look (QRESYNC)."""
    if is_full_due(cursor, now_ms) or not cursor.highest_modseq:
        return None
    return cursor.uid_validity, cursor.highest_modseq


def choose(
    cursor: MailboxCursor,
    selected: Selected,
    news: News,
    now_ms: int,
    *,
    has_resynced: bool = False,
) -> Look:
    """What to fetch of the selected mailbox."""
    if is_full_due(cursor, now_ms):
        return Look.FULL
    if cursor.highest_modseq and selected.highest_modseq and not selected.no_modseq:
        return _by_modseq(cursor, selected, news, has_resynced=has_resynced)
    has_only_grown = news.has_grown and not (news.has_shrunk or news.has_flags)
    is_more = selected.exists > cursor.messages
    return Look.NEW if has_only_grown and is_more else Look.FULL


def _by_modseq(
    cursor: MailboxCursor, selected: Selected, news: News, *, has_resynced: bool
) -> Look:
    told, known = selected.highest_modseq or 0, cursor.highest_modseq or 0
    if told < known:
        return Look.FULL
    if has_resynced:
        return Look.RESYNC
    if told == known:
        if selected.exists != cursor.messages:
            return Look.FULL
        # Flags told on the way may be younger than the HIGHESTMODSEQ before them.
        return Look.CHANGED if news.has_flags else Look.NOTHING
    return Look.CHANGED


def is_unchanged(cursor: MailboxCursor, status: MailboxStatus, now_ms: int) -> bool:
    """Whether STATUS proves by its mod-sequence that the mailbox needs no look."""
    return (
        not is_full_due(cursor, now_ms)
        and status.uid_validity == cursor.uid_validity
        and bool(cursor.highest_modseq)
        and status.highest_modseq == cursor.highest_modseq
        and status.messages == cursor.messages
    )


def is_same(before: MailboxStatus | None, status: MailboxStatus) -> bool:
    """Whether all counters are those of the last look; an answer without counters never is."""
    if before is None or status.messages is None or status.uid_next is None:
        return False
    return before == status


def is_uid_validity(value: int | None) -> bool:
    """Whether a UIDVALIDITY can be one (invariant I10)."""
    return value is not None and 0 < value <= _MOST


def is_uid(value: int | None) -> TypeGuard[int]:
    """Whether a number can be the UID of a message."""
    return value is not None and 0 < value < _MOST
