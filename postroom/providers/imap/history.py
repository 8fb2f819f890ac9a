"""What rounds remember of the mailboxes of an account, across connections.

A mailbox that refuses to open three times in a row is left alone for six hours or until its
counters change (contract I9); so is one at which the connection ends as often. One that STATUS
proves unchanged counts as verified by the round, at the cost of one number for all of them
(invariant I7).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from postroom.imap.types import MailboxStatus
from postroom.model.mailbox import MailboxCursor
from postroom.providers.imap.listing import NONE, Absences

# Contract I9.
REFUSALS = 3
REFUSED_REST_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """How often a mailbox refused to open in a row, when last, and its counters then."""

    count: int
    at_s: float
    status: MailboxStatus | None


class History:
    """What rounds remember of each mailbox while the watcher lives, across connections."""

    __slots__ = ("absences", "looked", "refusals", "round_ms", "unverified")

    def __init__(self) -> None:
        self.absences = Absences()
        self.looked: dict[str, MailboxStatus] = {}
        self.refusals: dict[str, Refusal] = {}
        # When the last whole round began, and the mailboxes that it could not verify (I7).
        self.round_ms = 0
        self.unverified = NONE

    def is_resting(self, path: str, status: MailboxStatus | None, now_s: float) -> bool:
        """Whether a mailbox that refused too often is left alone; no status is no news."""
        refusal = self.refusals.get(path)
        if refusal is None or refusal.count < REFUSALS:
            return False
        is_same_as_then = status is None or refusal.status == status
        return now_s - refusal.at_s < REFUSED_REST_S and is_same_as_then

    def refused(self, path: str, status: MailboxStatus | None, now_s: float) -> None:
        """Count a refusal."""
        before = self.refusals.get(path)
        self.refusals[path] = Refusal(before.count + 1 if before else 1, now_s, status)

    def opened(self, path: str, status: MailboxStatus | None) -> None:
        """A look ended well; `status` was taken before it, if the cursor does not prove it."""
        self.refusals.pop(path, None)
        if status is not None:
            self.looked[path] = status
        else:
            self.looked.pop(path, None)

    def ended(self, started_ms: int, unverified: Sequence[str], paths: Collection[str]) -> None:
        """A round over the mailboxes `paths` has ended; others need not be remembered."""
        self.round_ms, self.unverified = started_ms, frozenset(unverified) or NONE
        if self.refusals or self.looked:
            kept = frozenset(paths)
            self.refusals = {path: told for path, told in self.refusals.items() if path in kept}
            self.looked = {path: told for path, told in self.looked.items() if path in kept}

    def verified_ms(self, cursor: MailboxCursor) -> int:
        """When the mailbox was last known to equal its index (I7).

        A mailbox that STATUS proves unchanged is verified by the round and writes nothing.
        """
        if not cursor.is_complete or cursor.path in self.unverified:
            return cursor.last_verified_ms
        return max(cursor.last_verified_ms, self.round_ms)
