"""STATUS (RFC 9051 6.3.11)."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Response
from postroom.imap.types import MailboxStatus, Told

# Items that only servers with one of these understand; others answer BAD to the whole command.
_NEEDS = {
    "HIGHESTMODSEQ": ("CONDSTORE", "QRESYNC"),
    "MAILBOXID": ("OBJECTID",),
    "SIZE": ("STATUS=SIZE", "IMAP4REV2"),
    "DELETED": ("IMAP4REV2", "QUOTA=RES-MESSAGE"),
    "DELETED-STORAGE": ("QUOTA=RES-STORAGE",),
    "APPENDLIMIT": ("APPENDLIMIT",),
}


@dataclass(frozen=True, slots=True)
class Status(Command[MailboxStatus]):
    """Counters of a mailbox that is not selected; items the server does not know are left out."""

    path: str
    items: tuple[str, ...] = ("MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY")

    def start(self, offered: Offered) -> Exchange[MailboxStatus]:
        found: list[MailboxStatus] = []

        def take(response: Response) -> bool:
            # With NOTIFY the counters of other mailboxes may come in between (RFC 5465 5).
            if isinstance(response, Told) and _is_same(response.status.path, self.path):
                found.append(response.status)
                return True
            return False

        line = Line(offered).raw("STATUS").mailbox(self.path)
        line.raw(f"({' '.join(known_items(self.items, offered))})")
        return Exchange(line.end(), lambda _tagged: self._chosen(found), take)

    def _chosen(self, found: list[MailboxStatus]) -> MailboxStatus:
        exact = [status for status in found if status.path == self.path]
        return (exact or found or [MailboxStatus(self.path)])[-1]


def known_items(items: tuple[str, ...], offered: Offered) -> tuple[str, ...]:
    """The items that the server understands, at least one."""
    known = tuple(item for item in items if _is_known(item, offered))
    return known or ("MESSAGES",)


def _is_known(item: str, offered: Offered) -> bool:
    return item not in _NEEDS or any(offered.has(name) for name in _NEEDS[item])


def _is_same(told: str, asked: str) -> bool:
    """Servers repeat a name in their own case or in another form of Unicode."""
    return told == asked or _plain(told) == _plain(asked)


def _plain(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
