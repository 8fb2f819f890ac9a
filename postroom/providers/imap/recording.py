"""Recording a difference, step by step, each step one atomic change with its events.

Order: what went and what changed, then silent old mail, then each batch of new mail with its
details, then the finished cursor. A message enters the index in the very change that announces it.

Contract I5, I6: while a mailbox is not complete (first sight, or after a reset), old mail enters
the index silently; announced is what arrived after `notifyFrom` and after the last good look.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from postroom.clock import Deadline
from postroom.errors import PostroomError
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.search import Search
from postroom.imap.dates import date_text
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import encode_set
from postroom.imap.types import Selected
from postroom.model.ids import MessageKey, message_id
from postroom.model.mailbox import Mailbox
from postroom.model.message import MessageDetail
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.details import MISSING_DELAYS_MS
from postroom.providers.imap.diff import Difference, FlagStep
from postroom.providers.imap.index import Entries, FlagNames
from postroom.providers.interface import FlagsChanged, MailboxChange, Missing, Removed

Item = TypeVar("Item")

# Events of one script call: keeps the store's pause below some milliseconds.
EVENT_BATCH = 200
# Messages fetched in detail by one command: envelopes, structures and headers, about 1 MB.
DETAIL_BATCH = 100
# Silent messages of one script call: 20,000 are 80 KB of blocks.
SILENT_BATCH = 20_000
# Messages whose INTERNALDATE is asked for by one command (contract I7).
DATE_BATCH = 1_000
SEARCH_TIMEOUT_S = 120.0
# Noting that a failed reading did not kill; without the note the messages are read one by one.
NOTE_TIMEOUT_S = 2.0
# SEARCH SINCE ignores the time and the zone (RFC 9051 6.4.4): look two days further back.
SEARCH_MARGIN_MS = 2 * 24 * 3600 * 1000


class Recording:
    """Writes one pass over one mailbox; `known` follows what has been recorded."""

    def __init__(
        self,
        desk: Desk,
        connection: ImapConnection,
        mailbox: Mailbox,
        known: Known,
        names: FlagNames,
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._mailbox = mailbox
        self._known = known
        self._names = names
        self._count = len(known.index)

    async def record(self, difference: Difference, listed: Entries) -> None:
        """Record the whole difference; `listed` has the masks of the added messages."""
        for gone in batches(difference.removed, EVENT_BATCH):
            await self._remove(gone)
        for steps in batches(difference.changed, EVENT_BATCH):
            await self._change_flags(steps)
        fresh = await self._fresh(difference.added)
        silent = sorted(set(difference.added).difference(fresh))
        for uids in batches(silent, SILENT_BATCH):
            await self._write({uid: listed[uid] for uid in uids})
        for uids in self._desk.poison.batches(self._known.cursor.number, fresh, DETAIL_BATCH):
            await self._announce(uids, listed)
        # Suspects that were recorded just before their worker died.
        if leftover := self._desk.poison.leftover(self._known.cursor.number):
            await self._acquit(leftover)

    async def finish(self, selected: Selected, *, is_whole: bool, started_ms: int) -> None:
        """Write the cursor of a pass that came to its end."""
        before = self._known.cursor
        after = msgspec.structs.replace(
            before,
            step=before.next_step(),
            messages=self._count,
            keywords=self._names.keywords,
            highest_modseq=None if selected.no_modseq else selected.highest_modseq,
            mailbox_id=selected.mailbox_id or before.mailbox_id,
            special_use=self._mailbox.special_use,
            special_use_source=self._mailbox.special_use_source,
            delimiter=self._mailbox.delimiter,
            is_complete=True,
            last_verified_ms=started_ms,
            compared_ms=started_ms if is_whole else before.compared_ms,
        )
        await self._desk.recorder.record(MailboxChange(cursor=after))
        self._known.cursor = after

    def _id(self, uid: int) -> str:
        return message_id(MessageKey(self._known.cursor.number, uid))

    async def _remove(self, uids: Sequence[int]) -> None:
        removed = [Removed(self._id(uid), uid) for uid in uids]
        await self._write({}, drop=uids, removed=removed)

    async def _change_flags(self, steps: Sequence[FlagStep]) -> None:
        updated = [self._flags_changed(step) for step in steps]
        await self._write({step.uid: step.after for step in steps}, updated=updated, is_new=False)

    def _flags_changed(self, step: FlagStep) -> FlagsChanged:
        return FlagsChanged(
            id=self._id(step.uid),
            uid=step.uid,
            added=self._names.names(step.after & ~step.before),
            deleted=self._names.names(step.before & ~step.after),
            value=self._names.names(step.after),
        )

    async def _fresh(self, added: Sequence[int]) -> list[int]:
        """Which of the added messages to announce, ascending."""
        cursor = self._known.cursor
        if cursor.is_complete or not added:
            return list(added)
        # INTERNALDATE has whole seconds: what came in the second of notifyFrom counts as later,
        # what came in the second of the last good look was seen by it.
        notify_ms = self._desk.notify_from_ms
        since_ms = max(notify_ms - notify_ms % 1000, cursor.last_verified_ms)
        return sorted(await self._arrived_since(added, since_ms))

    async def _arrived_since(self, added: Sequence[int], since_ms: int) -> list[int]:
        """Those whose INTERNALDATE is not before `since_ms`."""
        if since_ms > self._desk.clock.now_ms():
            return []
        found: list[int] = []
        for uids in batches(await self._searched(added, since_ms), DATE_BATCH):
            command = Fetch(encode_set(uids), "(UID INTERNALDATE)")
            for message in await self._connection.run(command, self._deadline()):
                if message.uid is not None and (message.internal_date_ms or 0) >= since_ms:
                    found.append(message.uid)
        return found

    async def _searched(self, added: Sequence[int], since_ms: int) -> list[int]:
        """The added messages that may be that young: SEARCH narrows them down where it can."""
        try:
            command = Search(("SINCE", date_text(max(0, since_ms - SEARCH_MARGIN_MS))))
            young = set(await self._connection.run(command, self._deadline()))
        except ImapRefused:
            return list(added)
        return [uid for uid in added if uid in young]

    async def _announce(self, uids: Sequence[int], listed: Entries) -> None:
        """Fetch a batch in detail and record it with its events; what did not come is missing."""
        poison, number = self._desk.poison, self._known.cursor.number
        wanted = [uid for uid in uids if not poison.is_given_up(number, uid)]
        poison.before(number, wanted)
        if wanted:
            await self._desk.recorder.reading(number, wanted)
        absent = set(uids)
        try:
            absent -= await self._read(wanted, listed)
        except BaseException:
            with contextlib.suppress(PostroomError, TimeoutError):
                async with asyncio.timeout(NOTE_TIMEOUT_S):
                    await self._desk.recorder.not_read(number, wanted)
            raise
        if absent:
            await self._give_up(sorted(absent), listed)
        await self._acquit(uids)

    async def _acquit(self, uids: Sequence[int]) -> None:
        number = self._known.cursor.number
        self._desk.poison.survived(number, uids)
        await self._desk.recorder.harmless(number, uids)

    async def _read(self, wanted: Sequence[int], listed: Entries) -> set[int]:
        """Fetch in detail and record with events; the messages that came."""
        came: set[int] = set()
        new_mail = self._desk.new_mail
        async for arrived in new_mail.read(
            self._connection, wanted, self._mailbox, self._known.cursor
        ):
            entries = {
                # The flags told with the details are newer than those of the listing.
                uid: listed[uid] if flags is None else self._names.mask(flags)
                for uid, flags in arrived.flags.items()
            }
            await self._write(entries, added=arrived.details)
            came.update(entries)
        return came

    async def _give_up(self, uids: Sequence[int], listed: Entries) -> None:
        """Record messages whose details did not come; those still there enter the index."""
        missing = [self._missing(uid) for uid in uids]
        await self._write(await self._still_listed(uids, listed), missing=missing)

    async def _still_listed(self, uids: Sequence[int], listed: Entries) -> Entries:
        """Those of `uids` that the mailbox still holds: they are known, but cannot be read."""
        command = Fetch(encode_set(uids), "(UID FLAGS)")
        messages = await self._connection.run(command, self._deadline())
        return {message.uid: listed[message.uid] for message in messages if message.uid in listed}

    def _missing(self, uid: int) -> Missing:
        retries = len(MISSING_DELAYS_MS)
        return Missing(self._id(uid), uid, retries, sum(MISSING_DELAYS_MS))

    def _deadline(self) -> Deadline:
        return Deadline.after(self._desk.clock, SEARCH_TIMEOUT_S)

    async def _write(
        self,
        put: Entries,
        *,
        is_new: bool = True,
        drop: Sequence[int] = (),
        added: Sequence[MessageDetail] = (),
        updated: Sequence[FlagsChanged] = (),
        removed: Sequence[Removed] = (),
        missing: Sequence[Missing] = (),
    ) -> None:
        """Record one step and follow it in memory."""
        known = self._known
        blocks = known.index.propose(put, drop)
        count = self._count + (len(put) if is_new else 0) - len(drop)
        cursor = msgspec.structs.replace(
            known.cursor,
            step=known.cursor.next_step(),
            messages=count,
            keywords=self._names.keywords,
            uid_next=max((known.cursor.uid_next, *(uid + 1 for uid in put))),
        )
        change = MailboxChange(
            cursor=cursor,
            blocks=blocks,
            added=added,
            updated=updated,
            removed=removed,
            missing=missing,
        )
        await self._desk.recorder.record(change)
        known.index.adopt(blocks)
        known.cursor = cursor
        self._count = count


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """`items` in runs of `size`."""
    for at in range(0, len(items), size):
        yield items[at : at + size]
