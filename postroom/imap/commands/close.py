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
    """Leave the mailbox as it is.

    Without UNSELECT, CLOSE does the same after an EXAMINE (`is_read_only`: nothing is expunged);
    a mailbox that may be written stays selected, which a NOOP says.
    """

    is_read_only: bool = False

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw(self._name(offered)).end(), done)

    def _name(self, offered: Offered) -> str:
        if offered.has("UNSELECT"):
            return "UNSELECT"
        return "CLOSE" if self.is_read_only else "NOOP"
