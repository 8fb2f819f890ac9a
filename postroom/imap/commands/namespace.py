"""NAMESPACE (RFC 2342)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Namespaces


@dataclass(frozen=True, slots=True)
class Namespace(Command[tuple[str, str | None]]):
    """Prefix and delimiter of the first personal namespace."""

    def start(self, offered: Offered) -> Exchange[tuple[str, str | None]]:
        found, take = collect(Namespaces)
        return Exchange(
            Line(offered).raw("NAMESPACE").end(),
            lambda _tagged: (found[-1].prefix, found[-1].delimiter) if found else ("", None),
            take,
        )
