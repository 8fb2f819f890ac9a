"""Recording a difference, step by step, each step one atomic change with its events.

Order within a portion: what went and what changed, then each batch of new mail with its details,
then silent old mail. A message enters the index in the very change that announces it. The last
silent step waits for what comes next, so that a small mailbox takes one write.

Contract I5, I6: while a mailbox is not complete (first sight, or after a reset), old mail enters
the index silently; announced is what arrived after `notifyFrom` and after the last good look
(`arrival`). Its `uid_next` then says how far it has been listed: a pass that was cut off goes on
from there. The fast indexer has no index: what it records is `uid_next` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from postroom.clock import Deadline
from postroom.errors import Fenced, PostroomError, StoreUnavailable
from postroom.imap.commands.listing import ListFlags
from postroom.imap.sets import encode_set
from postroom.model.ids import MessageKey, message_id
from postroom.model.mailbox import MailboxCursor
from postroom.model.message import MessageDetail
from postroom.providers.imap.announce import Told
from postroom.providers.imap.arrival import Arrival
from postroom.providers.imap.desk import Known, Opened
from postroom.providers.imap.details import MISSING_DELAYS_MS
from postroom.providers.imap.diff import FlagStep
from postroom.providers.imap.index import Entries, FlagNames
from postroom.providers.imap.looks import Portion
from postroom.providers.interface import (
    FlagsChanged,
    LabelsChanged,
    MailboxChange,
    Missing,
    Removed,
)

Item = TypeVar("Item")

# Events of one script call: keeps the store's pause below some milliseconds.
EVENT_BATCH = 200
# Messages fetched in detail by one command: envelopes, structures and headers, about 1 MB.
DETAIL_BATCH = 100
# Silent messages of one script call: 20,000 are 80 KB of blocks.
SILENT_BATCH = 20_000
SEARCH_TIMEOUT_S = 120.0
# What ends a reading and is no sign of a poisonous message: the store's trouble, another owner, a
# reconnect that somebody asked for.
_NOT_THE_MAIL = (StoreUnavailable, Fenced, asyncio.CancelledError)
# Noting that a failed reading did not kill; without the note the messages are read one by one.
NOTE_TIMEOUT_S = 2.0


class Recording:
    """Writes one pass over one mailbox; `known` follows what has been recorded."""

    def __init__(self, opened: Opened, known: Known, names: FlagNames) -> None:
        self._opened = opened
        self._desk = opened.desk
        self._known = known
        self._names = names
        self._arrival = Arrival(opened)
        # The last silent step, not yet written, and how far it gets.
        self._waiting: Entries = {}
        self._listed_to = 0

    async def record(self, portion: Portion) -> None:
        """Record what a look found; `portion.listed` has the masks of the added messages."""
        difference, listed = portion.difference, portion.listed
        self._known.found += difference.counts
        await self.flush()
        for gone in batches(difference.removed, EVENT_BATCH):
            await self._remove(gone)
        for steps in batches(difference.changed, EVENT_BATCH):
            await self._change_flags(steps)
        fresh, silent = await self._arrival.sort(self._known.cursor, difference.added)
        await self.announce(fresh, listed)
        for uids in batches(silent, SILENT_BATCH):
            await self.flush()
            self._waiting = {uid: listed[uid] for uid in uids}
        self._listed_to = portion.listed_to or 0
        if not portion.is_last:
            # The link may die before the next range: what was listed is not listed again.
            await self.flush()

    async def announce(self, fresh: Sequence[int], listed: Entries) -> None:
        """Read new messages in detail and record each batch with its events."""
        number = self._known.cursor.number
        for uids in self._desk.poison.batches(number, fresh, DETAIL_BATCH):
            await self._announce(uids, listed)

    async def finish(self, *, is_whole: bool, modseq: int | None) -> None:
        """Write the cursor of a pass that came to its end, if it says anything new.

        `modseq` is the mod-sequence up to which every change is recorded now.
        """
        await self._acquit_leftover()
        before = self._known.cursor
        last = max((before.uid_next - 1, self._listed_to, *self._waiting))
        after = msgspec.structs.replace(
            self._ended(),
            uid_next=last + 1,
            keywords=self._names.keywords,
            highest_modseq=modseq,
            compared_ms=self._opened.started_ms if is_whole else before.compared_ms,
        )
        if self._waiting or is_whole or self._known.found or not _says_the_same(before, after):
            await self._write(self._waiting, cursor=after)
        else:
            # The store learns of a look that found nothing with the next write.
            self._known.cursor = after

    async def finish_newest(self, highest: int, *, is_asked: bool) -> None:
        """The same for the fast indexer; `highest` is the highest UID that was seen."""
        await self._acquit_leftover()
        before = self._known.cursor
        after = msgspec.structs.replace(
            self._ended(),
            uid_next=max(before.uid_next, highest + 1),
            messages=self._opened.selected.exists,
            highest_modseq=None,
            compared_ms=self._opened.started_ms if is_asked else before.compared_ms,
        )
        if is_asked or not _says_the_same(before, after):
            await self._write({}, cursor=after)
        else:
            self._known.cursor = after

    def _ended(self) -> MailboxCursor:
        """What the end of any pass makes of the cursor."""
        before, mailbox = self._known.cursor, self._opened.mailbox
        return msgspec.structs.replace(
            before,
            mailbox_id=self._opened.selected.mailbox_id or before.mailbox_id,
            special_use=mailbox.special_use,
            special_use_source=mailbox.special_use_source,
            delimiter=mailbox.delimiter,
            is_complete=True,
            last_verified_ms=self._opened.started_ms,
        )

    def _id(self, uid: int) -> str:
        return message_id(MessageKey(self._known.cursor.number, uid))

    async def flush(self) -> None:
        """Write the silent step that waits, and how far the mailbox has been listed with it."""
        waiting, listed_to = self._waiting, self._listed_to
        self._waiting, self._listed_to = {}, 0
        before = self._known.cursor
        uid_next = before.uid_next
        if not before.is_complete:
            uid_next = max(uid_next, listed_to + 1)
        if waiting or uid_next != before.uid_next:
            cursor = msgspec.structs.replace(before, uid_next=uid_next)
            await self._write(waiting, cursor=cursor)

    async def _remove(self, uids: Sequence[int]) -> None:
        removed = [Removed(self._id(uid), uid) for uid in uids]
        await self._write({}, drop=uids, removed=removed)

    async def _change_flags(self, steps: Sequence[FlagStep]) -> None:
        updated = [self._flags_changed(step) for step in steps]
        await self._write({step.uid: step.after for step in steps}, updated=updated)

    def _flags_changed(self, step: FlagStep) -> FlagsChanged:
        names, gained, lost = self._names, step.after & ~step.before, step.before & ~step.after
        labels = LabelsChanged(names.labels(gained), names.labels(lost), names.labels(step.after))
        return FlagsChanged(
            id=self._id(step.uid),
            uid=step.uid,
            added=names.names(gained),
            deleted=names.names(lost),
            value=names.names(step.after),
            labels=labels if labels.added or labels.deleted else None,
        )

    async def _announce(self, uids: Sequence[int], listed: Entries) -> None:
        """Fetch a batch in detail and record it with its events; what did not come is missing."""
        poison, number = self._desk.poison, self._known.cursor.number
        wanted = [uid for uid in uids if not poison.is_given_up(number, uid)]
        if wanted:
            await self._desk.recorder.reading(number, wanted)
        poison.before(number, wanted)
        absent = set(uids)
        try:
            absent -= await self._read(wanted, listed)
        except BaseException as error:
            if isinstance(error, _NOT_THE_MAIL):
                poison.excused(number, wanted)
            with contextlib.suppress(PostroomError, TimeoutError):
                async with asyncio.timeout(NOTE_TIMEOUT_S):
                    await self._desk.recorder.not_read(number, wanted)
            raise
        if absent:
            await self._give_up(sorted(absent), listed)
        await self._acquit(uids)

    async def _acquit_leftover(self) -> None:
        """Suspects that were recorded just before their worker died."""
        if leftover := self._desk.poison.leftover(self._known.cursor.number):
            await self._acquit(leftover)

    async def _acquit(self, uids: Sequence[int]) -> None:
        number = self._known.cursor.number
        self._desk.poison.survived(number, uids)
        await self._desk.recorder.harmless(number, uids)

    async def _read(self, wanted: Sequence[int], listed: Entries) -> set[int]:
        """Fetch in detail and record with events; the messages that came."""
        came: set[int] = set()
        new_mail = self._desk.new_mail
        async for arrived in new_mail.read(
            self._opened.connection, wanted, self._opened.mailbox, self._known.cursor
        ):
            entries = {uid: self._mask(told, listed[uid]) for uid, told in arrived.told.items()}
            await self._write(entries, added=arrived.details)
            came.update(entries)
        return came

    def _mask(self, told: Told, listed: int) -> int:
        """What was told with the details is newer than the listing."""
        names = self._names
        flags = listed if told.flags is None else names.mask(told.flags)
        if told.labels is None and told.flags is None:
            return listed
        bits = names.label_bits
        labels = listed if told.labels is None else names.label_mask(told.labels)
        return (flags & ~bits) | (labels & bits)

    async def _give_up(self, uids: Sequence[int], listed: Entries) -> None:
        """Record messages whose details did not come; those still there enter the index."""
        missing = [self._missing(uid) for uid in uids]
        await self._write(await self._still_listed(uids, listed), missing=missing, passed=uids[-1])

    async def _still_listed(self, uids: Sequence[int], listed: Entries) -> Entries:
        """Those of `uids` that the mailbox still holds: they are known, but cannot be read."""
        command = ListFlags(encode_set(uids), self._names.mask)
        there = await self._opened.connection.run(command, self._deadline())
        return {uid: listed[uid] for uid in uids if uid in there.entries or uid in there.bare}

    def _missing(self, uid: int) -> Missing:
        retries = len(MISSING_DELAYS_MS)
        return Missing(self._id(uid), uid, retries, sum(MISSING_DELAYS_MS))

    def _deadline(self) -> Deadline:
        return Deadline.after(self._desk.clock, SEARCH_TIMEOUT_S)

    async def _write(
        self,
        put: Entries,
        *,
        cursor: MailboxCursor | None = None,
        passed: int = 0,
        drop: Sequence[int] = (),
        added: Sequence[MessageDetail] = (),
        updated: Sequence[FlagsChanged] = (),
        removed: Sequence[Removed] = (),
        missing: Sequence[Missing] = (),
    ) -> None:
        """Record one step and follow it in memory.

        `cursor` is what the step makes of the cursor, by default: it passed the messages of `put`.
        """
        known = self._known
        blocks: dict[int, bytes] = {}
        if known.cursor.indexer == "full":
            index = await self._desk.load_for(known, (*put, *drop))
            blocks = index.propose(put, drop)
        change = MailboxChange(
            cursor=self._stepped(cursor or self._passing(put, passed), blocks),
            blocks=blocks,
            added=added,
            updated=updated,
            removed=removed,
            missing=missing,
            tells_moves=bool(added or removed) and await self._desk.new_mail.tells_moves(),
        )
        await self._desk.recorder.record(change)
        known.index.adopt(blocks)
        known.cursor = change.cursor

    def _passing(self, put: Entries, passed: int) -> MailboxCursor:
        """The cursor past messages that were announced.

        While a full index is not complete, `uid_next` says how far silent mail is recorded, too.
        """
        cursor = self._known.cursor
        if cursor.indexer == "full" and not cursor.is_complete:
            return cursor
        last = max((cursor.uid_next - 1, passed, *put))
        return msgspec.structs.replace(cursor, uid_next=last + 1)

    def _stepped(self, cursor: MailboxCursor, blocks: dict[int, bytes]) -> MailboxCursor:
        return msgspec.structs.replace(
            cursor,
            step=cursor.next_step(),
            messages=cursor.messages + self._known.index.growth(blocks),
            keywords=self._names.keywords,
        )


def _says_the_same(before: MailboxCursor, after: MailboxCursor) -> bool:
    """Whether a cursor differs by the time of its look only."""
    return after == msgspec.structs.replace(before, last_verified_ms=after.last_verified_ms)


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`items` in runs of `size`."""
    for at in range(0, len(items), size):
        yield items[at : at + size]
