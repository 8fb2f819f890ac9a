"""DELETE (RFC 9051 6.3.5)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Delete(Command[None]):
    """Remove a mailbox with its messages; those below it stay."""

    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("DELETE").mailbox(self.path).end(), done)
