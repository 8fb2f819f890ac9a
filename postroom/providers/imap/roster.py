"""Listing messages of the open mailbox as UID -> mask, a range at a time.

A big mailbox is listed in ranges of UIDs: what is held in memory has a bound, and a first sync
that is cut off goes on where it was. The ranges come from one question, the UIDs at every n-th
place; from then on everything is by UID, so that no expunge in between can move a message out of
sight. Ranges grow while answers are quick. One that is refused is asked again, smaller, after the
delays of contract I7; where the connection breaks, the next one begins smaller.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise

from postroom.clock import Deadline
from postroom.errors import PostroomError
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.listing import MOST_MESSAGES, FlagListing, ListFlags
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.types import FetchedMessage, Selected
from postroom.logs import get_logger
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.index import Entries, FlagNames
from postroom.providers.imap.passes import is_uid

log = get_logger("providers.imap")

# A listing of all UIDs and flags may take this, and a second more per LISTING_PER_S messages.
LISTING_TIMEOUT_S = 60.0
LISTING_PER_S = 500
# Whatever the server says it holds: a listing never waits longer.
LISTING_MOST_S = 3600.0
# One range at most: 5 MB of memory while it is compared.
MOST_RANGE = 50_000
# A range that came within this is followed by one four times its size; one that took longer than
# the other by one of a quarter.
QUICK_S = 1.0
SLOW_S = 10.0
GROWTH = 4
# Places asked for by one command: servers may limit a line to 8,192 bytes (RFC 7162 4).
MOST_PLACES = 500
# Contract I7: from 1 s, doubling up to 60 s, at least 20 tries.
FIRST_DELAY_S = 1.0
MOST_DELAY_S = 60.0
TRIES = 20


@dataclass(frozen=True, slots=True)
class Range:
    """What the server listed from `first` to `last`, both inclusive; no last: to the end."""

    first: int
    last: int | None
    entries: Entries


class Roster:
    """The listings of one pass."""

    def __init__(self, desk: Desk, connection: ImapConnection, names: FlagNames) -> None:
        self._desk = desk
        self._connection = connection
        self._names = names
        self._has_labels = connection.has("X-GM-EXT-1")
        # A message was told without its flags: what changed about it is not known.
        self.is_doubtful = False

    async def masks(
        self, numbers: str, known: Known, exists: int, changed_since: int | None = None
    ) -> Entries:
        """The masks of these UIDs; a message told without flags has those it had."""
        deadline = self._deadline(exists)
        if self._has_labels:
            listing = await self._with_labels(numbers, known, deadline, changed_since)
        else:
            command = ListFlags(numbers, self._names.mask, changed_since=changed_since)
            listing = await self._connection.run(command, deadline)
        if not listing.bare:
            return listing.entries
        self.is_doubtful = True
        recorded = await self._desk.pick(known, listing.bare)
        return {uid: recorded.get(uid, 0) for uid in listing.bare} | listing.entries

    async def ranges(self, known: Known, selected: Selected, first: int) -> AsyncIterator[Range]:
        """Everything from the UID `first` on."""
        sizes, path = self._desk.range_sizes, selected.path
        least = -(-selected.exists // MOST_PLACES) or 1
        size = max(least, sizes.get(path, self._desk.fetch_batch_size))
        is_over, refusals, factor = False, 0, 1
        bounds = await self._bounds(selected, size)
        while not is_over:
            last = _end(bounds, first, factor)
            started_s = self._desk.clock.steady_s()
            try:
                listed = await self._list_range(first, last, known, selected.exists)
            except ImapRefused as error:
                refusals += 1
                await self._wait_for(error, refusals)
                size, factor = max(least, size // GROWTH), 1
                bounds = await self._bounds(selected, size)
                continue
            except PostroomError:
                sizes[path] = max(1, size * factor // GROWTH)
                raise
            took_s = self._desk.clock.steady_s() - started_s
            yield Range(first, last, listed)
            is_over, refusals = last is None, 0
            first = (last or 0) + 1
            factor = _next_factor(factor, took_s, most=max(1, MOST_RANGE // size))
        sizes.pop(path, None)

    async def _list_range(self, first: int, last: int | None, known: Known, exists: int) -> Entries:
        numbers = f"{first}:{'*' if last is None else last}"
        return await self.masks(numbers, known, min(exists, MOST_RANGE) if last else exists)

    async def _wait_for(self, error: ImapRefused, refusals: int) -> None:
        if refusals >= TRIES:
            raise error
        delay_s = min(FIRST_DELAY_S * 2 ** (refusals - 1), MOST_DELAY_S)
        name = self._desk.account.account
        log.warning("listing.refused", account=name, reason=error.text, again_s=delay_s)
        await self._desk.clock.sleep(delay_s)

    async def _bounds(self, selected: Selected, size: int) -> list[int]:
        """The UIDs at every `size`-th place; none when the server's answer makes no sense."""
        places = range(size, selected.exists, size)
        if not places:
            return []
        command = Fetch(",".join(map(str, places)), "(UID)", by_uid=False)
        try:
            fetched = await self._connection.run(command, self._deadline(len(places)))
        except ImapRefused:
            return []
        uids = [message.uid for message in sorted(fetched, key=lambda one: one.seq)]
        bounds = [uid for uid in uids if is_uid(uid)]
        is_ascending = all(one < next_ for one, next_ in pairwise(bounds))
        return bounds if is_ascending and len(bounds) == len(places) else []

    async def _with_labels(
        self, numbers: str, known: Known, deadline: Deadline, changed_since: int | None
    ) -> FlagListing:
        """The same from a server with Gmail's labels, which are part of a message's mask."""
        flags: dict[int, int] = {}
        labels: dict[int, int] = {}
        seen: set[int] = set()

        def take(message: FetchedMessage) -> None:
            if not is_uid(message.uid):
                return
            seen.add(message.uid)
            if message.flags is not None:
                flags[message.uid] = self._names.mask(message.flags)
            if message.labels is not None:
                labels[message.uid] = self._names.label_mask(message.labels)
            if len(seen) > MOST_MESSAGES:
                raise ProtocolViolation("The mail server listed more messages than the limit")

        items = "(UID FLAGS X-GM-LABELS)"
        command = Fetch(numbers, items, changed_since=changed_since, on_message=take)
        await self._connection.run(command, deadline)
        recorded = await self._desk.pick(known, seen)
        bits = self._names.label_bits
        entries = {
            uid: flags.get(uid, recorded.get(uid, 0) & ~bits)
            | labels.get(uid, recorded.get(uid, 0) & bits)
            for uid in seen
        }
        return FlagListing(entries, frozenset(), None)

    def _deadline(self, messages: int) -> Deadline:
        seconds = min(LISTING_TIMEOUT_S + messages / LISTING_PER_S, LISTING_MOST_S)
        return self._desk.deadline(seconds)


def _end(bounds: list[int], first: int, factor: int) -> int | None:
    """The last UID of the range that begins at `first`, `factor` bounds long."""
    at = bisect_left(bounds, first) + factor - 1
    return bounds[at] if at < len(bounds) else None


def _next_factor(factor: int, took_s: float, most: int) -> int:
    if took_s <= QUICK_S:
        return min(factor * GROWTH, most)
    return max(1, factor // GROWTH) if took_s > SLOW_S else factor
