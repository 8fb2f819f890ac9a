"""Looking at the selected mailbox: what differs between its messages and the recorded ones.

Differences come in portions, each with what it takes to record it. A look that asked for a part
only is checked by arithmetic: recorded messages plus added ones minus gone ones must be what
EXAMINE counted, else the whole mailbox is compared. A full comparison goes through the mailbox in
ranges; messages it did not meet are gone only if the count says so or a search does not find them
(invariant I11).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

from postroom.clock import Deadline
from postroom.imap.commands.search import Find
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import UidSet, encode_set
from postroom.imap.types import Selected
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.diff import Difference, compare_part
from postroom.providers.imap.index import Entries, FlagNames, IndexLost, block_of
from postroom.providers.imap.passes import Look, News, Nonsense, is_uid
from postroom.providers.imap.roster import Roster

SEARCH_TIMEOUT_S = 120.0
# UIDs of one search command: a line of some 8,000 bytes, which is what servers take.
SEARCH_BATCH = 700
# Blocks asked for one by one; more are loaded with all the others.
MOST_BLOCKS = 64
# Beyond every UID: the end of a range that has none.
_LAST_UID = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of the difference, with the masks of what was added.

    `listed_to` is set by a full comparison: up to that UID everything has been listed. Unless it
    `is_last`, the server is asked for more before anything else is recorded.
    """

    difference: Difference
    listed: Entries = field(default_factory=dict)
    listed_to: int | None = None
    is_last: bool = True


class Looks:
    """The looks of one pass."""

    def __init__(
        self, desk: Desk, connection: ImapConnection, names: FlagNames, news: News
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._names = names
        self._news = news
        self.roster = Roster(desk, connection, names)

    @property
    def is_doubtful(self) -> bool:
        """Whether the server left out what it was asked for: the same has to be asked again."""
        return self.roster.is_doubtful

    async def part(self, look: Look, known: Known, selected: Selected) -> Portion | None:
        """What a look at a part found; None when it does not add up."""
        if look is Look.RESYNC:
            listed = await self._told(known, selected)
        else:
            listed = await self._list_part(look, known, selected)
        part = compare_part(await self._desk.pick(known, listed), listed)
        gone: Sequence[int] = ()
        if look is Look.RESYNC:
            gone = await self._vanished(known, selected.vanished, listed)
        elif look is Look.CHANGED:
            gone = await self._expunged(known, selected, len(part.added), listed)
        if self.is_doubtful or (not listed and not gone and _is_ahead(look, known, selected)):
            return None
        count = known.cursor.messages + len(part.added) - len(gone)
        # What came after EXAMINE is not counted yet; another pass follows.
        if count != selected.exists and (look is Look.RESYNC or not self._news.has_grown):
            return None
        return Portion(Difference(part.added, tuple(gone), part.changed), listed)

    async def full(
        self, known: Known, selected: Selected, first: int = 1
    ) -> AsyncIterator[Portion]:
        """The comparison of every message from the UID `first` on. Raises IndexLost."""
        index = await self._desk.load_all(known)
        if len(index) != known.cursor.messages:
            # They are written together: what is not there now would be told as new.
            raise IndexLost("the index has not as many messages as its cursor")
        if not selected.exists:
            yield await self._emptied(index.entries())
            return
        missing: set[int] = set()
        total = 0
        async for listed in self.roster.ranges(known, selected, first):
            last = listed.last or _LAST_UID
            recorded = index.between(listed.first, last)
            inside = self._inside(listed.entries, listed.first, last)
            total += len(inside)
            missing |= recorded.keys() - inside.keys()
            difference = compare_part(recorded, inside)
            listed_to = listed.last or max(inside, default=0)
            yield Portion(difference, inside, listed_to, is_last=listed.last is None)
        is_counted = total == selected.exists and first == 1 and not self._news.has_grown
        gone = sorted(missing) if is_counted else await self._proved(sorted(missing))
        if gone:
            yield Portion(Difference(removed=tuple(gone)))

    def _inside(self, entries: Entries, first: int, last: int) -> Entries:
        """What is in the range; news of other messages ask for another pass."""
        if first <= min(entries, default=first) and max(entries, default=last) <= last:
            return entries
        self._news.has_flags = self._news.has_flags or last != _LAST_UID
        return {uid: mask for uid, mask in entries.items() if first <= uid <= last}

    async def _list_part(self, look: Look, known: Known, selected: Selected) -> Entries:
        cursor = known.cursor
        if look is Look.NEW:
            return await self.roster.masks(f"{cursor.uid_next}:*", known, selected.exists)
        since = cursor.highest_modseq
        return await self.roster.masks("1:*", known, selected.exists, since)

    async def _told(self, known: Known, selected: Selected) -> Entries:
        """The changed messages that came with EXAMINE (RFC 7162 3.2.5)."""
        told = {one.uid: one.flags for one in selected.changed if is_uid(one.uid)}
        bare = [uid for uid, flags in told.items() if flags is None]
        recorded = await self._desk.pick(known, bare)
        self.roster.is_doubtful = bool(bare)
        return {
            uid: recorded.get(uid, 0) if flags is None else self._names.mask(flags)
            for uid, flags in told.items()
        }

    async def _vanished(
        self, known: Known, told: UidSet | None, listed: Collection[int]
    ) -> list[int]:
        """The recorded messages that are told as gone; a server may name others, too."""
        if told is None:
            return []
        numbers: set[int] = set()
        for first, last in told.ranges:
            # A set may name every UID there can be: then it names every block there is.
            numbers.update(range(block_of(first), block_of(last) + 1)[: MOST_BLOCKS + 1])
            if len(numbers) > MOST_BLOCKS:
                await self._desk.load_all(known)
                break
        else:
            await self._desk.load_blocks(known, numbers)
        return known.index.where(lambda uid: uid in told and uid not in listed)

    async def _expunged(
        self, known: Known, selected: Selected, added: int, listed: Collection[int]
    ) -> list[int]:
        """CONDSTORE alone tells expunges by the count only: which, a list of all UIDs tells."""
        surplus = known.cursor.messages + added - selected.exists
        if surplus <= 0 or not selected.exists:
            return []
        found = (await self._connection.run(Find(), self._deadline())).numbers
        if len(found) < selected.exists and not self._news.has_shrunk:
            return []
        index = await self._desk.load_all(known)
        return index.where(lambda uid: uid not in found and uid not in listed)

    async def _emptied(self, recorded: Entries) -> Portion:
        """A count of 0 alone removes nothing: a second question has to say the same."""
        if not recorded:
            return Portion(Difference())
        found = await self._connection.run(Find(), self._deadline())
        # What came since the count is for the next pass, which follows.
        if found.numbers and not self._news.has_grown:
            raise Nonsense("The server counts no messages but finds some")
        gone = (uid for uid in sorted(recorded) if uid not in found.numbers)
        return Portion(Difference(removed=tuple(gone)))

    async def _proved(self, missing: Sequence[int]) -> list[int]:
        """Those of the messages not met that a search does not find either."""
        gone: list[int] = []
        for at in range(0, len(missing), SEARCH_BATCH):
            uids = missing[at : at + SEARCH_BATCH]
            command = Find(("UID", encode_set(uids)))
            try:
                found = (await self._connection.run(command, self._deadline())).numbers
            except ImapRefused as error:
                raise Nonsense("The server lists less than it counts") from error
            gone += (uid for uid in uids if uid not in found)
        self.roster.is_doubtful = self.roster.is_doubtful or len(gone) < len(missing)
        return gone

    def _deadline(self) -> Deadline:
        return self._desk.deadline(SEARCH_TIMEOUT_S)


def _is_ahead(look: Look, known: Known, selected: Selected) -> bool:
    """Whether the mod-sequence says that something changed."""
    told, recorded = selected.highest_modseq or 0, known.cursor.highest_modseq or 0
    return look in (Look.RESYNC, Look.CHANGED) and told > recorded
