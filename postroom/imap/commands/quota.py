"""GETQUOTAROOT (RFC 9208)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import QuotaTold, Response, Unread
from postroom.imap.types import Quota


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command[tuple[Quota, ...]]):
    """The quotas that count for a mailbox."""

    path: str = "INBOX"

    def start(self, offered: Offered) -> Exchange[tuple[Quota, ...]]:
        found: list[Quota] = []

        def take(response: Response) -> bool:
            if isinstance(response, QuotaTold):
                found.append(response.quota)
                return True
            return isinstance(response, Unread) and response.name == "QUOTAROOT"

        line = Line(offered).raw("GETQUOTAROOT").mailbox(self.path)
        return Exchange(line.end(), lambda _tagged: tuple(found), take)
