"""News of mailboxes that are not selected, by NOTIFY (RFC 5465), where the server has it.

They are hints and nothing more (I14): a hint has a mailbox looked at at once instead of in the
next round, which comes all the same. The group for the selected mailbox is what servers tell
without NOTIFY; unless it is named, nothing is told of that mailbox any more (RFC 5465 3.1).
"""

from __future__ import annotations

from postroom.clock import Deadline
from postroom.imap.commands.notify import EventGroup, Notify
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Listed, MailboxStatus, Overflowed, Told, Unsolicited
from postroom.net.imap import ImapConnection
from postroom.providers.imap.listing import canonical, selectable

# More changed mailboxes at once than that, and a round is the cheaper way to look at them.
MOST_HINTS = 500
_SELECTED = EventGroup("selected-delayed", ("MessageNew", "MessageExpunge", "FlagChange"))
# What is asked for, and what is when the server does not know an event of it (BADEVENT).
_OTHERS = (
    EventGroup("personal", ("MessageNew", "MessageExpunge", "FlagChange", "MailboxName")),
    EventGroup("personal", ("MessageNew", "MessageExpunge")),
)


class Hints:
    """What the server told of other mailboxes since it was last followed."""

    __slots__ = ("has_overflowed", "names", "needs_round", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[str, MailboxStatus] = {}
        # Path -> whether the mailbox is there (and can be selected).
        self.names: dict[str, bool] = {}
        # More came than can be followed one by one.
        self.needs_round = False
        # The server has switched NOTIFY off.
        self.has_overflowed = False

    def hear(self, told: Unsolicited) -> bool:
        """Take one unsolicited value in; whether it is a hint."""
        match told:
            case Told(status=status):
                self.statuses[canonical(status.path)] = status
            case Listed(mailbox=mailbox):
                self.names[canonical(mailbox.path)] = bool(selectable((mailbox,)))
            case Overflowed():
                self.needs_round = self.has_overflowed = True
            case _:
                return False
        if len(self.statuses) + len(self.names) > MOST_HINTS:
            self.statuses.clear()
            self.names.clear()
            self.needs_round = True
        return True

    def __bool__(self) -> bool:
        return bool(self.statuses or self.names or self.needs_round)


async def ask_for_hints(connection: ImapConnection, deadline: Deadline) -> bool:
    """Have the server tell of every mailbox; whether it will."""
    if not connection.has("NOTIFY"):
        return False
    for others in _OTHERS:
        try:
            await connection.run(Notify((_SELECTED, others)), deadline)
        except ImapRefused as error:
            if error.response_code != "BADEVENT":
                return False
        else:
            return True
    return False


async def renounce_hints(connection: ImapConnection, deadline: Deadline) -> None:
    """After an overflow the server tells nothing: have it tell of the selected mailbox again."""
    await connection.run(Notify((_SELECTED,)), deadline)
