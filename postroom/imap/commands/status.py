"""STATUS (RFC 9051 6.3.11)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Told
from postroom.imap.types import MailboxStatus

# Items that only servers with the extension understand; others answer BAD to the whole command.
_NEEDS = {
    "HIGHESTMODSEQ": "CONDSTORE",
    "MAILBOXID": "OBJECTID",
    "SIZE": "STATUS=SIZE",
    "DELETED": "IMAP4REV2",
}


@dataclass(frozen=True, slots=True)
class Status(Command[MailboxStatus]):
    """Counters of a mailbox that is not selected; items the server does not know are left out."""

    path: str
    items: tuple[str, ...] = ("MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY")

    def start(self, offered: Offered) -> Exchange[MailboxStatus]:
        found, take = collect(Told)
        items = [item for item in self.items if _is_known(item, offered)] or ["MESSAGES"]
        line = Line(offered).raw("STATUS").mailbox(self.path).raw(f"({' '.join(items)})")
        return Exchange(
            line.end(),
            lambda _tagged: found[-1].status if found else MailboxStatus(self.path),
            take,
        )


def _is_known(item: str, offered: Offered) -> bool:
    needed = _NEEDS.get(item)
    if needed is None or offered.has(needed):
        return True
    return (item == "SIZE" and offered.has("IMAP4REV2")) or (
        item == "HIGHESTMODSEQ" and offered.has("QRESYNC")
    )
