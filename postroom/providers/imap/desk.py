"""What every pass over the mailboxes of one account works with.

The index of a mailbox is in memory only while a pass needs it: a pass that asks the server what
changed loads the blocks of the changed messages, a full comparison loads all of them (0.3 ms a
hundred blocks), and afterwards nothing is kept but what is smaller than asking for it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from postroom.clock import Clock, Deadline, parse_iso
from postroom.imap.types import Selected
from postroom.model.account import Account
from postroom.model.mailbox import Indexer, Mailbox, MailboxCursor
from postroom.net.imap import ImapConnection
from postroom.providers.imap.announce import NewMail
from postroom.providers.imap.details import Poison
from postroom.providers.imap.index import Entries, MailboxIndex, block_of
from postroom.providers.imap.passes import News
from postroom.providers.interface import Recorder
from postroom.store.mailboxes import Mailboxes

# Contract I7; EENGINE_FETCH_BATCH_SIZE.
FETCH_BATCH_SIZE = 1_000
# An index up to this stays in memory between passes: one block of some 250 messages.
KEPT_BYTES = 1_024


@dataclass(slots=True)
class Known:
    """What is recorded of one mailbox: the cursor, and the index as far as it is loaded."""

    cursor: MailboxCursor
    index: MailboxIndex
    # How many messages the last pass found to differ, by what became of them.
    found: Counter[str] = field(default_factory=Counter)

    def rest(self) -> None:
        """Give the memory back until the next pass."""
        if self.index.size_bytes > KEPT_BYTES or not self.index.is_whole:
            self.index = MailboxIndex(is_whole=False)


@dataclass(slots=True)
class Desk:
    """The account, where to record, and what must outlive a connection."""

    account: Account
    mailboxes: Mailboxes
    recorder: Recorder
    clock: Clock
    new_mail: NewMail
    # True once a first sync of the account has ended: from then on mailboxNew is announced.
    has_synced: bool = False
    poison: Poison = field(default_factory=Poison)
    # path -> a lower UIDVALIDITY seen once; it is believed when seen again.
    suspected: dict[str, int] = field(default_factory=dict)
    # Mailboxes that are no longer listed, while a round looks for what they are called now.
    departed: tuple[MailboxCursor, ...] = ()
    # Messages in the first range of a listing.
    fetch_batch_size: int = FETCH_BATCH_SIZE
    # path -> the size of range to begin with where a listing broke off.
    range_sizes: dict[str, int] = field(default_factory=dict)

    @property
    def notify_from_ms(self) -> int:
        """Contract I6: by default the time of adding."""
        chosen = self.account.notify_from
        return parse_iso(chosen) if chosen else self.account.created_ms

    @property
    def indexer(self) -> Indexer:
        """Contract I4."""
        return "fast" if self.account.imap_indexer == "fast" else "full"

    def is_outdated(self, cursor: MailboxCursor) -> bool:
        """Whether a mailbox was indexed before the last flush, or by the other indexer."""
        return cursor.flushed_ms != self.account.flushed_ms or cursor.indexer != self.indexer

    async def load(self, cursor: MailboxCursor) -> Known:
        """The recorded state of a mailbox; a lost index is whole and has nothing in it."""
        if cursor.indexer == "fast":
            return Known(cursor, MailboxIndex())
        has_index = await self.mailboxes.has_index(self.account.account, cursor.number)
        return Known(cursor, MailboxIndex(is_whole=not has_index))

    async def load_all(self, known: Known) -> MailboxIndex:
        """The whole index of a mailbox."""
        if not known.index.is_whole:
            blocks = await self.mailboxes.blocks(self.account.account, known.cursor.number)
            known.index = MailboxIndex(blocks)
        return known.index

    async def load_for(self, known: Known, uids: Iterable[int]) -> MailboxIndex:
        """The index with the blocks of these messages."""
        if known.index.is_whole:
            return known.index
        return await self.load_blocks(known, {block_of(uid) for uid in uids})

    async def load_blocks(self, known: Known, numbers: Iterable[int]) -> MailboxIndex:
        """The index with these blocks."""
        missing = known.index.lacks(sorted(numbers))
        if missing:
            name, number = self.account.account, known.cursor.number
            known.index.take(await self.mailboxes.some_blocks(name, number, missing))
        return known.index

    async def pick(self, known: Known, uids: Iterable[int]) -> Entries:
        """The recorded ones among these messages."""
        wanted = list(uids)
        return (await self.load_for(known, wanted)).pick(wanted)

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.after(self.clock, seconds)


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox as one pass found it when it was opened, and over which connection."""

    desk: Desk
    connection: ImapConnection
    mailbox: Mailbox
    selected: Selected
    # What is heard from now on; it asks for another pass.
    news: News
    started_ms: int
