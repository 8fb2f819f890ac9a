"""ENABLE (RFC 5161): extensions that change what the server sends have to be asked for.

Only what the server offers is asked for, since a few servers refuse the whole command over an
unknown word. Where nothing is left of it a NOOP goes out, and nothing was enabled. The client
learns from the answer: with UTF8=ACCEPT (RFC 6855) or IMAP4rev2 (RFC 9051 6.3.1) mailbox names
are UTF-8 from then on.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import EnabledNow

# What may be enabled although another word stands in the capability list.
_OFFERED_AS = {
    # RFC 7162 3.2.3: a server with QRESYNC has CONDSTORE, said or not.
    "CONDSTORE": ("QRESYNC",),
    # RFC 6855 6: a server that insists on UTF-8 says ONLY, and ACCEPT is what is enabled.
    "UTF8=ACCEPT": ("UTF8=ONLY",),
}


@dataclass(frozen=True, slots=True)
class Enable(Command[frozenset[str]]):
    """Switch extensions on; results in those the server confirmed."""

    names: tuple[str, ...]

    def start(self, offered: Offered) -> Exchange[frozenset[str]]:
        found, take = collect(EnabledNow)
        names = [name for name in self.names if _is_offered(name, offered)]
        can_ask = names and (offered.has("ENABLE") or offered.has("QRESYNC"))
        line = Line(offered).raw(f"ENABLE {' '.join(names)}" if can_ask else "NOOP")
        return Exchange(
            line.end(),
            lambda _tagged: frozenset().union(*(response.names for response in found)),
            take,
        )


def _is_offered(name: str, offered: Offered) -> bool:
    return any(offered.has(word) for word in (name, *_OFFERED_AS.get(name.upper(), ())))
