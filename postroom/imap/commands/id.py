"""ID (RFC 2971): each end says what program it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Identity

# RFC 2971 3.3: at most 30 fields, names up to 30 and values up to 1,024 bytes.
MOST_FIELDS = 30
MOST_NAME = 30
MOST_VALUE = 1024


@dataclass(frozen=True, slots=True)
class Id(Command[dict[str, str]]):
    """Tell who we are (None tells nothing); results in what the server says of itself."""

    fields: Mapping[str, str] | None = None

    def start(self, offered: Offered) -> Exchange[dict[str, str]]:
        line = Line(offered).raw("ID")
        if self.fields:
            line.raw_list(
                word
                for name, value in list(self.fields.items())[:MOST_FIELDS]
                for word in (name[:MOST_NAME], value[:MOST_VALUE])
            )
        else:
            line.raw("NIL")
        found, take = collect(Identity)
        return Exchange(line.end(), lambda _tagged: found[-1].fields if found else {}, take)
