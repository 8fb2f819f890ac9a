"""COPY (RFC 9051 6.4.7) with COPYUID (RFC 4315)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap import reading
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.responses import Code, Notice, Response, Tagged
from postroom.imap.sets import expand, parse_ordered
from postroom.imap.types import Copied


@dataclass(frozen=True, slots=True)
class Copy(Command[Copied]):
    """Copy messages of the selected mailbox into another."""

    uids: str
    path: str

    def start(self, offered: Offered) -> Exchange[Copied]:
        return copying("UID COPY", self.uids, self.path, offered)


def copying(name: str, uids: str, path: str, offered: Offered) -> Exchange[Copied]:
    """An exchange that results in where the copies went; COPY and MOVE share it."""
    codes: list[Code] = []

    def take(response: Response) -> bool:
        # RFC 6851 4.3: MOVE tells COPYUID untagged, before the EXPUNGE responses.
        if isinstance(response, Notice) and response.code and response.code.name == "COPYUID":
            codes.append(response.code)
            return True
        return False

    def finish(tagged: Tagged) -> Copied:
        if tagged.code is not None and tagged.code.name == "COPYUID":
            codes.append(tagged.code)
        return _copied(codes)

    return Exchange(Line(offered).raw(name).numbers(uids).mailbox(path).end(), finish, take)


def _copied(codes: list[Code]) -> Copied:
    uid_validity = None
    source: tuple[int, ...] = ()
    destination: tuple[int, ...] = ()
    for code in codes:
        validity, from_set, to_set = ([*code.values, None, None, None])[:3]
        if isinstance(from_set, str) and isinstance(to_set, str):
            uid_validity = reading.message_number(validity)
            try:
                source += expand(parse_ordered(from_set))
                destination += expand(parse_ordered(to_set))
            except ProtocolViolation:
                # The messages were copied all the same; only their new UIDs are unknown.
                return Copied()
    # Sets of different lengths pair nothing: better no answer than a wrong one.
    return (
        Copied(uid_validity, source, destination) if len(source) == len(destination) else Copied()
    )
