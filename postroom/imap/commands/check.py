"""CHECK (RFC 3501 6.4.1): asks the server to tidy the mailbox; IMAP4rev2 dropped it for NOOP."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Check(Command[None]):
    """A checkpoint of the selected mailbox; news arrive as unsolicited values."""

    def start(self, offered: Offered) -> Exchange[None]:
        name = "CHECK" if offered.has("IMAP4REV1") else "NOOP"
        return Exchange(Line(offered).raw(name).end(), done)
