"""Listing the selected mailbox and comparing the list with what is recorded.

Every look ends as a `Seen`. A look that asked for a part only is checked by arithmetic: recorded
messages plus added ones must be what EXAMINE counted, else the whole mailbox is compared. A list
shorter than the count proves nothing about the messages that it lacks (invariant I11).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom.clock import Clock, Deadline
from postroom.imap.commands.fetch import Fetch
from postroom.imap.types import FetchedMessage, Selected
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Known
from postroom.providers.imap.diff import Difference, compare, compare_part
from postroom.providers.imap.index import Entries, FlagNames
from postroom.providers.imap.passes import Look, News, is_uid

LISTING_ITEMS = "(UID FLAGS)"
# A listing of all UIDs and flags may take this, and a second more per LISTING_PER_S messages.
LISTING_TIMEOUT_S = 60.0
LISTING_PER_S = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """The look that was taken in the end, what the server listed, and how it differs."""

    look: Look
    difference: Difference = field(default_factory=Difference)
    listed: Entries = field(default_factory=dict)


class Looks:
    """The looks of one pass."""

    def __init__(
        self, connection: ImapConnection, clock: Clock, names: FlagNames, news: News
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._names = names
        self._news = news

    async def take(self, look: Look, known: Known, selected: Selected) -> Seen:
        """Take the look, and the full one when its answer does not add up."""
        if look is Look.NOTHING:
            return Seen(look)
        if look is Look.FULL:
            return await self._full(known, selected)
        seen = await self._part(look, known, selected)
        count = len(known.index) + len(seen.difference.added)
        if count != selected.exists and not self._news.has_grown:
            return await self._full(known, selected)
        return seen

    async def _part(self, look: Look, known: Known, selected: Selected) -> Seen:
        cursor = known.cursor
        if look is Look.NEW:
            listed = await self._list(f"{cursor.uid_next}:*", selected.exists)
        else:
            listed = await self._list("1:*", selected.exists, cursor.highest_modseq)
        return Seen(look, compare_part(known.index.pick(listed), listed), listed)

    async def _full(self, known: Known, selected: Selected) -> Seen:
        listed = await self._list("1:*", selected.exists) if selected.exists else {}
        recorded = known.index.entries()
        difference = compare(recorded, listed)
        is_short = len(listed) < selected.exists and not self._news.has_shrunk
        if difference.removed and is_short:
            listed = {**listed, **await self._list("1:*", selected.exists)}
            difference = compare(recorded, listed)
        return Seen(Look.FULL, difference, listed)

    async def _list(self, numbers: str, exists: int, changed_since: int | None = None) -> Entries:
        listed: Entries = {}
        mask = self._names.mask
        news = self._news

        def take(message: FetchedMessage) -> None:
            if message.uid is None:
                news.has_flags = True
            elif is_uid(message.uid) and message.flags is not None:
                listed[message.uid] = mask(message.flags)

        deadline = Deadline.after(self._clock, LISTING_TIMEOUT_S + exists / LISTING_PER_S)
        command = Fetch(numbers, LISTING_ITEMS, changed_since=changed_since, on_message=take)
        await self._connection.run(command, deadline)
        return listed
