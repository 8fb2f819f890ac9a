"""Was it sent? After an outcome nobody knows, the account is asked before another try (I19).

Known: when the message stands in the Sent mailbox, its server took it (servers that file sent mail
themselves do so on acceptance; our own copy is made only after it). Not knowable: a server that
files nothing leaves no trace, so a message whose connection broke after DATA is then sent again and
may arrive twice, with the same Message-ID. The other choice would be to lose it.
"""

from __future__ import annotations

import enum

from postroom.clock import Clock, Deadline
from postroom.errors import PostroomError
from postroom.model.account import Account, has_imap
from postroom.model.message import MessageList
from postroom.model.operations import SearchMessages
from postroom.model.outgoing import OutgoingMessage
from postroom.submit.afterwards import sent_path
from postroom.submit.neighbours import Asking

LOOK_LIMIT_S = 30.0


class Trace(enum.Enum):
    """What the look told."""

    FOUND = enum.auto()
    ABSENT = enum.auto()
    # The account cannot be asked just now.
    UNKNOWN = enum.auto()


async def look_up(
    gateway: Asking, account: Account, record: OutgoingMessage, clock: Clock
) -> Trace:
    """Look for the message in the Sent mailbox by its Message-ID."""
    if not has_imap(account):
        return Trace.ABSENT
    operation = SearchMessages(
        path=sent_path(account, record),
        search={"header": {"Message-ID": record.message_id}},
        page_size=1,
    )
    try:
        found: MessageList = await gateway.ask_typed(
            account.account, operation, Deadline.after(clock, LOOK_LIMIT_S)
        )
    except PostroomError as error:
        return Trace.UNKNOWN if error.temporary else Trace.ABSENT
    return Trace.FOUND if found.total else Trace.ABSENT
