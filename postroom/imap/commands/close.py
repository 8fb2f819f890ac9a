"""CLOSE (RFC 9051 6.4.1) and UNSELECT (RFC 3691): leave the mailbox with or without expunging."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Close(Command[None]):
    """Leave the mailbox and remove its messages marked as deleted."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("CLOSE").end(), done)


@dataclass(frozen=True, slots=True)
class Unselect(Command[None]):
    """Leave the mailbox as it is; needs the UNSELECT capability."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("UNSELECT").end(), done)
