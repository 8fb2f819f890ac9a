"""LOGOUT (RFC 9051 6.1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Logout(Command[None]):
    """Say good-bye; the server answers BYE and closes."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("LOGOUT").end(), done)
