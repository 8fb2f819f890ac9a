"""NAMESPACE (RFC 2342): one's own mailboxes, other people's, shared ones."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.types import NamespacePart, Namespaces


@dataclass(frozen=True, slots=True)
class Namespace(Command[Namespaces]):
    """The namespaces; without the extension a single one without prefix, by NOOP.

    Its delimiter is then not known: LIST tells it.
    """

    def start(self, offered: Offered) -> Exchange[Namespaces]:
        found, take = collect(Namespaces)
        name = "NAMESPACE" if offered.has("NAMESPACE") else "NOOP"
        return Exchange(
            Line(offered).raw(name).end(),
            lambda _tagged: found[-1] if found else Namespaces((NamespacePart(),)),
            take,
        )
