"""SELECT and EXAMINE (RFC 9051 6.3.2) with CONDSTORE and QRESYNC (RFC 7162).

Everything that arrives before the tagged OK describes the new mailbox, unless the server says
`[CLOSED]`: what came before that was still about the old one (RFC 7162 3.2.11). IMAP4rev2 also
tells the mailbox's LIST line (RFC 9051 6.3.2). A HIGHESTMODSEQ from a server that offers neither
CONDSTORE nor QRESYNC (Yahoo) is not believed: such a server refuses CHANGEDSINCE.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from postroom.imap import reading
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.responses import Code, FlagsKnown, Notice, Recent, Response, Tagged
from postroom.imap.sets import UidSet, united
from postroom.imap.types import Exists, Fetched, FetchedMessage, Listed, Selected, Vanished

# What QRESYNC tells is held until the mailbox is open, 200 bytes a message. A mailbox with more
# changes than that is compared as a whole (contract I7), which needs no QRESYNC.
MOST_CHANGED = 1_000_000


@dataclass(frozen=True, slots=True)
class Select(Command[Selected]):
    """Open a mailbox; `qresync` is (UIDVALIDITY, MODSEQ) as last known."""

    path: str
    read_only: bool = False
    condstore: bool = False
    qresync: tuple[int, int] | None = None

    def start(self, offered: Offered) -> Exchange[Selected]:
        line = Line(offered).raw("EXAMINE" if self.read_only else "SELECT").mailbox(self.path)
        if self.qresync is not None:
            line.raw(f"(QRESYNC ({self.qresync[0]} {self.qresync[1]}))")
        elif self.condstore:
            line.raw("(CONDSTORE)")
        has_modseq = offered.has("CONDSTORE") or offered.has("QRESYNC")
        opening = _Opening(self.path, self.read_only, has_modseq)
        return Exchange(line.end(), opening.finish, opening.take)


@dataclass(slots=True)
class _Opening:
    """What has been told of the mailbox so far."""

    path: str
    is_read_only: bool
    has_modseq: bool
    exists: int | None = None
    flags: tuple[str, ...] = ()
    permanent_flags: tuple[str, ...] | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    mailbox_id: str | None = None
    no_modseq: bool = False
    vanished: UidSet | None = None
    changed: list[FetchedMessage] = field(default_factory=list)

    def take(self, response: Response) -> bool:
        if isinstance(response, Exists):
            self.exists = response.count
        elif isinstance(response, FlagsKnown):
            self.flags = response.flags
        elif isinstance(response, Fetched):
            if len(self.changed) >= MOST_CHANGED:
                raise ProtocolViolation("The mail server told more changes than the limit")
            self.changed.append(response.message)
        elif isinstance(response, Vanished):
            # RFC 7162 3.2.10: there may be several; each tells only a part.
            known = self.vanished
            self.vanished = response.uids if known is None else united(known, response.uids)
        elif isinstance(response, Notice):
            return response.status in ("OK", "NO") and self._take_code(response.code)
        elif isinstance(response, Listed):
            return response.mailbox.path == self.path
        else:
            return isinstance(response, Recent)
        return True

    def _take_code(self, code: Code | None) -> bool:
        if code is None:
            return False
        first = code.values[0] if code.values else None
        if code.name in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ"):
            number = reading.number(first)
            if number is not None:
                self.numbers[code.name] = number
        elif code.name == "PERMANENTFLAGS":
            self.permanent_flags = reading.flags(first)
        elif code.name == "MAILBOXID":
            self.mailbox_id = reading.object_id(first)
        elif code.name == "NOMODSEQ":
            self.no_modseq = True
        elif code.name == "CLOSED":
            self.exists, self.vanished = None, None
            self.changed.clear()
        else:
            return code.name == "UNSEEN"
        return True

    def finish(self, tagged: Tagged) -> Selected:
        if tagged.code is not None and tagged.code.name in ("READ-ONLY", "READ-WRITE"):
            self.is_read_only = tagged.code.name == "READ-ONLY"
        else:
            self._take_code(tagged.code)
        return Selected(
            self.path,
            self.exists or 0,
            self.numbers.get("UIDVALIDITY"),
            self.numbers.get("UIDNEXT"),
            self.numbers.get("HIGHESTMODSEQ") if self.has_modseq else None,
            self.flags,
            # RFC 9051 6.3.2: without PERMANENTFLAGS all flags can be changed for good.
            self.flags if self.permanent_flags is None else self.permanent_flags,
            self.is_read_only,
            self.mailbox_id,
            self.no_modseq,
            self.vanished,
            tuple(self.changed),
            self.exists is not None,
        )
