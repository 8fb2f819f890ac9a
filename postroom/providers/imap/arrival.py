"""Which messages of a mailbox that is seen for the first time are new.

Contract I5, I6: announced is what arrived after `notifyFrom`, and after the last good look where
the index has to be built anew. Only INTERNALDATE tells: SEARCH narrows the messages down, by
WITHIN (RFC 5032) to the second, without it to the day. A message that is gone before its date was
read is none at all: it was never seen, so its end is not announced either. Of a mailbox that had
another name before, the UIDs tell (see `renaming`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from postroom.clock import Deadline
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.search import Criterion, Find, Key
from postroom.imap.dates import date_text
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import UidSet, encode_set
from postroom.model.mailbox import MailboxCursor
from postroom.providers.imap.desk import Opened

SEARCH_TIMEOUT_S = 120.0
# Messages whose INTERNALDATE is asked for by one command (contract I7).
DATE_BATCH = 1_000
# SEARCH SINCE ignores the time and the zone (RFC 9051 6.4.4): look two days further back.
SINCE_MARGIN_MS = 2 * 24 * 3600 * 1000
# YOUNGER counts from the moment when the server looks, which is a slow link later.
YOUNGER_MARGIN_S = 120
# RFC 5032 2: a number of 32 bits.
MOST_INTERVAL_S = 0xFFFFFFFF


class Arrival:
    """Sorts added messages into those to announce and those to record silently."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._desk = opened.desk
        self._connection = opened.connection

    async def sort(
        self, cursor: MailboxCursor, added: Sequence[int]
    ) -> tuple[Sequence[int], Sequence[int]]:
        """(to announce, to record silently), each ascending as `added` is."""
        if cursor.is_complete or not added:
            return added, ()
        if line := cursor.known_below:
            return [uid for uid in added if uid >= line], [uid for uid in added if uid < line]
        since_ms = self._since_ms(cursor)
        if since_ms > self._desk.clock.now_ms():
            return (), added
        young = await self._young(added, since_ms)
        dates = await self._dates(young)
        fresh = {uid for uid, date_ms in dates.items() if date_ms >= since_ms}
        silent = [uid for uid in added if uid not in fresh]
        # A message of which no date came is gone, or its server tells none.
        if silent and (self._opened.news.has_shrunk or len(dates) < len(young)):
            silent = await self._there(silent)
        return sorted(fresh), silent

    async def young(self, cursor: MailboxCursor, first: int, last: int) -> list[int] | None:
        """The messages from UID `first` to `last` that may have to be announced.

        None when the server does not search.
        """
        since_ms = self._since_ms(cursor)
        if since_ms > self._desk.clock.now_ms() or first > last:
            return []
        found = await self._found(first, last, since_ms)
        return None if found is None else list(found)

    def _since_ms(self, cursor: MailboxCursor) -> int:
        # INTERNALDATE has whole seconds: what came in the second of notifyFrom counts as later,
        # what came in the second of the last good look was seen by it.
        notify_ms = self._desk.notify_from_ms
        return max(notify_ms - notify_ms % 1000, cursor.last_verified_ms)

    async def _young(self, added: Sequence[int], since_ms: int) -> list[int]:
        """The added messages that may be that young: SEARCH narrows them down where it can."""
        found = await self._found(added[0], added[-1], since_ms)
        if found is None:
            return list(added)
        runs = (
            added[bisect_left(added, low) : bisect_right(added, high)] for low, high in found.ranges
        )
        return [uid for run in runs for uid in run]

    async def _found(self, first: int, last: int, since_ms: int) -> UidSet | None:
        """The messages that may be that young; None when the server does not search."""
        among: tuple[Criterion, ...] = ("UID", Key(f"{first}:{last}"))
        try:
            command = Find((*among, *self._age(since_ms)))
            return (await self._connection.run(command, self._deadline())).numbers
        except ImapRefused:
            return None

    def _age(self, since_ms: int) -> tuple[Criterion, ...]:
        age_s = (self._desk.clock.now_ms() - since_ms) // 1000 + YOUNGER_MARGIN_S
        if self._connection.has("WITHIN") and age_s <= MOST_INTERVAL_S:
            return ("YOUNGER", age_s)
        return ("SINCE", date_text(max(0, since_ms - SINCE_MARGIN_MS)))

    async def _dates(self, uids: Sequence[int]) -> dict[int, int]:
        """INTERNALDATE by UID, of the messages that have one."""
        dates: dict[int, int] = {}
        for at in range(0, len(uids), DATE_BATCH):
            batch = encode_set(uids[at : at + DATE_BATCH])
            fetched = await self._connection.run(
                Fetch(batch, "(UID INTERNALDATE)"), self._deadline()
            )
            for one in fetched:
                if one.uid is not None and one.internal_date_ms is not None:
                    dates[one.uid] = one.internal_date_ms
        return dates

    async def _there(self, uids: Sequence[int]) -> list[int]:
        """Those that the mailbox still holds: the others did not answer because they are gone."""
        command = Find(("UID", Key(f"{uids[0]}:{uids[-1]}")))
        found = (await self._connection.run(command, self._deadline())).numbers
        return [uid for uid in uids if uid in found]

    def _deadline(self) -> Deadline:
        return self._desk.deadline(SEARCH_TIMEOUT_S)
