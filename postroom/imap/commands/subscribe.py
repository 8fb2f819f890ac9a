"""SUBSCRIBE and UNSUBSCRIBE (RFC 9051 6.3.7, 6.3.8)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Subscribe(Command[None]):
    """Put a mailbox on the list of those the person wants to see."""

    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("SUBSCRIBE").mailbox(self.path).end(), done)


@dataclass(frozen=True, slots=True)
class Unsubscribe(Command[None]):
    """Take a mailbox off that list; it need not exist any more."""

    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("UNSUBSCRIBE").mailbox(self.path).end(), done)
