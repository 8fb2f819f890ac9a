"""STARTTLS (RFC 9051 6.2.1): after the tagged OK, TLS starts with the next byte."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class StartTls(Command[None]):
    """Ask for TLS; only the connection may use this."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("STARTTLS").end(), done, is_last=True)
