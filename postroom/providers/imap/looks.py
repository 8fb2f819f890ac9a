"""Listing the selected mailbox and comparing the list with what is recorded.

Every look ends as a `Seen`. A look that asked for a part only is checked by arithmetic: recorded
messages plus added ones must be what EXAMINE counted, else the whole mailbox is compared. A list
shorter than the count proves nothing about the messages that it lacks (invariant I11).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom.clock import Clock, Deadline
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.search import Search
from postroom.imap.errors import ProtocolViolation
from postroom.imap.types import FetchedMessage, Selected
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Known
from postroom.providers.imap.diff import Difference, compare, compare_part
from postroom.providers.imap.index import Entries, FlagNames
from postroom.providers.imap.passes import Look, News, Nonsense, is_uid

LISTING_ITEMS = "(UID FLAGS)"
# A listing of all UIDs and flags may take this, and a second more per LISTING_PER_S messages.
LISTING_TIMEOUT_S = 60.0
LISTING_PER_S = 500
# Whatever the server says it holds: a listing never waits longer, nor takes in more messages.
LISTING_MOST_S = 3600.0
MOST_MESSAGES = 10_000_000


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
            listed = await self._list(f"{cursor.uid_next}:*", selected.exists, known=known)
        else:
            since = cursor.highest_modseq
            listed = await self._list("1:*", selected.exists, since, known=known)
        return Seen(look, compare_part(known.index.pick(listed), listed), listed)

    async def _full(self, known: Known, selected: Selected) -> Seen:
        recorded = known.index.entries()
        if not selected.exists:
            await self._confirm_empty(recorded)
            return Seen(Look.FULL, compare(recorded, {}))
        listed = await self._list("1:*", selected.exists, known=known)
        difference = compare(recorded, listed)
        is_short = len(listed) < selected.exists and not self._news.has_shrunk
        if difference.removed and is_short:
            listed = {**listed, **await self._list("1:*", selected.exists, known=known)}
            difference = compare(recorded, listed)
        return Seen(Look.FULL, difference, listed)

    async def _confirm_empty(self, recorded: Entries) -> None:
        """A count of 0 alone removes nothing: a second question has to say the same."""
        deadline = Deadline.after(self._clock, LISTING_TIMEOUT_S)
        if not recorded:
            return
        found = await self._connection.run(Search(), deadline)
        if found:
            raise Nonsense("The server counts no messages but finds some")

    async def _list(
        self, numbers: str, exists: int, changed_since: int | None = None, *, known: Known
    ) -> Entries:
        listed: Entries = {}
        # Listed without flags: there, but nothing is known of what changed.
        bare: set[int] = set()
        mask = self._names.mask

        def take(message: FetchedMessage) -> None:
            if not is_uid(message.uid):
                return
            if message.flags is None:
                bare.add(message.uid)
            else:
                listed[message.uid] = mask(message.flags)
            if len(listed) + len(bare) > MOST_MESSAGES:
                raise ProtocolViolation("The mail server lists messages beyond the limit")

        seconds = min(LISTING_TIMEOUT_S + exists / LISTING_PER_S, LISTING_MOST_S)
        command = Fetch(numbers, LISTING_ITEMS, changed_since=changed_since, on_message=take)
        await self._connection.run(command, Deadline.after(self._clock, seconds))
        recorded = known.index.pick(bare)
        return {uid: recorded.get(uid, 0) for uid in bare} | listed
