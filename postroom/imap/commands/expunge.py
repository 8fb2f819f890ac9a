"""EXPUNGE (RFC 9051 6.4.3) and UID EXPUNGE (RFC 4315 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Expunge(Command[None]):
    """Remove messages marked as deleted: these (needs UIDPLUS), or all with None."""

    uids: str | None = None

    def start(self, offered: Offered) -> Exchange[None]:
        line = Line(offered)
        if self.uids is None:
            line.raw("EXPUNGE")
        else:
            line.raw("UID EXPUNGE").numbers(self.uids)
        return Exchange(line.end(), done)
