"""CAPABILITY (RFC 9051 6.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Capabilities


@dataclass(frozen=True, slots=True)
class Capability(Command[frozenset[str]]):
    """What the server can do, in upper case."""

    def start(self, offered: Offered) -> Exchange[frozenset[str]]:
        found, take = collect(Capabilities)
        return Exchange(
            Line(offered).raw("CAPABILITY").end(),
            lambda _tagged: found[-1].names if found else frozenset(),
            take,
        )
