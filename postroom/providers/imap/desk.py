"""What every pass over the mailboxes of one account works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom.clock import Clock, Deadline, parse_iso
from postroom.model.account import Account
from postroom.model.mailbox import MailboxCursor
from postroom.providers.imap.announce import NewMail
from postroom.providers.imap.details import Poison
from postroom.providers.imap.index import MailboxIndex
from postroom.providers.interface import Recorder
from postroom.store.mailboxes import Mailboxes


@dataclass(slots=True)
class Known:
    """What is recorded of one mailbox: the cursor, and the index in memory."""

    cursor: MailboxCursor
    index: MailboxIndex


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

    @property
    def notify_from_ms(self) -> int:
        """Contract I6: by default the time of adding."""
        chosen = self.account.notify_from
        return parse_iso(chosen) if chosen else self.account.created_ms

    async def load(self, cursor: MailboxCursor) -> Known:
        """The recorded state of a mailbox, from the store; a broken index counts as lost."""
        index = MailboxIndex(await self.mailboxes.blocks(self.account.account, cursor.number))
        try:
            index.entries()
        except ValueError:
            return Known(cursor, MailboxIndex())
        return Known(cursor, index)

    def deadline(self, seconds: float) -> Deadline:
        return Deadline.after(self.clock, seconds)
