"""RENAME (RFC 9051 6.3.6)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Rename(Command[None]):
    """Give a mailbox, and with it all below it, another name."""

    path: str
    new: str

    def start(self, offered: Offered) -> Exchange[None]:
        line = Line(offered).raw("RENAME").mailbox(self.path).mailbox(self.new)
        return Exchange(line.end(), done)
