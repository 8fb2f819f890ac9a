"""ENABLE (RFC 5161)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import EnabledNow


@dataclass(frozen=True, slots=True)
class Enable(Command[frozenset[str]]):
    """Switch extensions on; results in those the server confirmed."""

    names: tuple[str, ...]

    def start(self, offered: Offered) -> Exchange[frozenset[str]]:
        found, take = collect(EnabledNow)
        line = Line(offered).raw("ENABLE").raw(" ".join(self.names))
        return Exchange(
            line.end(),
            lambda _tagged: frozenset().union(*(response.names for response in found)),
            take,
        )
