"""APPEND (RFC 9051 6.3.12) with APPENDUID (RFC 4315)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap import reading
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Tagged
from postroom.imap.types import Appended


@dataclass(frozen=True, slots=True)
class Append(Command[Appended]):
    """Put a message into a mailbox; lines of `raw` end in CRLF."""

    path: str
    raw: bytes
    flags: tuple[str, ...] = ()
    internal_date_ms: int | None = None

    def start(self, offered: Offered) -> Exchange[Appended]:
        line = Line(offered).raw("APPEND").mailbox(self.path)
        if self.flags:
            line.flags(self.flags)
        if self.internal_date_ms is not None:
            line.date_time(self.internal_date_ms)
        return Exchange(line.literal(self.raw).end(), _appended)


def _appended(tagged: Tagged) -> Appended:
    if tagged.code is None or tagged.code.name != "APPENDUID":
        return Appended()
    uid_validity, uid = ([*tagged.code.values, None, None])[:2]
    return Appended(reading.message_number(uid_validity), reading.message_number(uid))
