"""NOTIFY (RFC 5465): the server tells news of mailboxes that are not selected, too.

A group says which mailboxes and which events. News of other mailboxes come as STATUS (`Told`) and
LIST (`Listed`) responses that no command asked for; a server that cannot keep up says
NOTIFICATIONOVERFLOW (`Overflowed`) and has then switched all of it off. A group for `selected`
replaces what the server tells of the selected mailbox by itself, so without one nothing is told
of it. NOTIFY lasts until the next one; it works with IDLE and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postroom.errors import InvalidInput
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Response
from postroom.imap.types import MailboxStatus, Told

Where = Literal[
    "selected", "selected-delayed", "inboxes", "personal", "subscribed", "subtree", "mailboxes"
]
Event = Literal[
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "AnnotationChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
]
_NEEDS_PATHS = frozenset(("subtree", "mailboxes"))
_SELECTED = frozenset(("selected", "selected-delayed"))


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events of some mailboxes; none means that nothing is told of them.

    `paths` are for `subtree` and `mailboxes`; `items` are fetched with each new message of the
    selected mailbox.
    """

    where: Where
    events: tuple[Event, ...] = ()
    paths: tuple[str, ...] = ()
    items: str = ""


@dataclass(frozen=True, slots=True)
class Notify(Command[tuple[MailboxStatus, ...]]):
    """Ask for news of these groups; needs the NOTIFY capability.

    Without groups the server tells nothing by itself any more, not even of the selected mailbox
    (Dovecot then is deaf): whoever wants just that one back asks for a `selected` group.

    With `status` the server begins with the counters of every mailbox of the groups but the
    selected one: those are the result.
    """

    groups: tuple[EventGroup, ...] = ()
    status: bool = False

    def start(self, offered: Offered) -> Exchange[tuple[MailboxStatus, ...]]:
        told: dict[str, MailboxStatus] = {}

        def take(response: Response) -> bool:
            if isinstance(response, Told) and self.status:
                told[response.status.path] = response.status
                return True
            return False

        return Exchange(self._line(offered), lambda _tagged: tuple(told.values()), take)

    def _line(self, offered: Offered) -> tuple[bytes, ...]:
        line = Line(offered).raw("NOTIFY").raw("SET" if self.groups else "NONE")
        if self.groups and self.status:
            line.raw("STATUS")
        for group in self.groups:
            _write(line, group)
        return line.end()


def _write(line: Line, group: EventGroup) -> None:
    if bool(group.paths) != (group.where in _NEEDS_PATHS):
        raise InvalidInput("Paths are for the mailboxes that they name")
    line.open_list().raw(group.where)
    if group.paths:
        line.open_list()
        for path in group.paths:
            line.mailbox(path)
        line.close_list()
    if group.events:
        _write_events(line, group)
    else:
        line.raw("NONE")
    line.close_list()


def _write_events(line: Line, group: EventGroup) -> None:
    line.open_list()
    for event in group.events:
        line.raw(event)
        if event == "MessageNew" and group.items and group.where in _SELECTED:
            line.raw(group.items)
    line.close_list()
