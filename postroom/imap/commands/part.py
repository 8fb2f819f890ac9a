"""One part's content: FETCH BINARY.PEEK (RFC 3516), or BODY.PEEK where the server has no BINARY.

With BINARY the server takes the transfer encoding off, so a third less crosses the wire. A server
that cannot decode a part says `[UNKNOWN-CTE]`, or (Cyrus) sends nothing of it: `fetch_part` then
asks for it as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from postroom.errors import InvalidInput
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.move import Running
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused
from postroom.imap.responses import Tagged
from postroom.imap.types import FetchedPart

_PART = re.compile(r"[1-9]\d{0,8}(?:\.[1-9]\d{0,8}){0,99}\Z")


@dataclass(frozen=True, slots=True)
class FetchPart(Command[FetchedPart | None]):
    """The content of part `part` of a message; None when the server has no such part."""

    uid: int
    part: str
    is_encoded: bool = False

    def start(self, offered: Offered) -> Exchange[FetchedPart | None]:
        if not _PART.match(self.part):
            raise InvalidInput("Malformed part number")
        is_binary = not self.is_encoded and (offered.has("BINARY") or offered.has("IMAP4REV2"))
        item = f"{'BINARY' if is_binary else 'BODY'}.PEEK[{self.part}]"
        fetching = Fetch(str(self.uid), f"(UID {item})").start(offered)

        def finish(tagged: Tagged) -> FetchedPart | None:
            for message in fetching.finish(tagged):
                if message.uid == self.uid:
                    return _content(message.sections, self.part)
            return None

        return Exchange(fetching.segments, finish, fetching.take)


def _content(sections: dict[str, bytes], part: str) -> FetchedPart | None:
    decoded = sections.get(f"BINARY {part}")
    if decoded is not None:
        return FetchedPart(decoded, is_decoded=True)
    encoded = sections.get(part)
    return None if encoded is None else FetchedPart(encoded, is_decoded=False)


async def fetch_part(run: Running, uid: int, part: str) -> FetchedPart | None:
    """The content of a part, decoded by the server if it can."""
    try:
        found: FetchedPart | None = await run(FetchPart(uid, part))
    except ImapRefused as error:
        if error.response_code != "UNKNOWN-CTE":
            raise
        found = None
    if found is None:
        found = await run(FetchPart(uid, part, is_encoded=True))
    return found
