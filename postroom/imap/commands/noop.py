"""NOOP (RFC 9051 6.1.2): gives the server an occasion to tell news."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Noop(Command[None]):
    """Nothing; news arrive as unsolicited values."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("NOOP").end(), done)
