"""GETQUOTA and GETQUOTAROOT (RFC 9208, older servers RFC 2087)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, collect
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Response
from postroom.imap.types import Quota, QuotaRoots


@dataclass(frozen=True, slots=True)
class GetQuota(Command[tuple[Quota, ...]]):
    """The use and the limits of one quota root; needs the QUOTA capability."""

    root: str = ""

    def start(self, offered: Offered) -> Exchange[tuple[Quota, ...]]:
        found, take = collect(Quota)
        line = Line(offered).raw("GETQUOTA").quoted(self.root)
        return Exchange(line.end(), lambda _tagged: tuple(found), take)


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command[tuple[Quota, ...]]):
    """The quotas that count for a mailbox; none on servers without QUOTA (a NOOP goes out)."""

    path: str = "INBOX"

    def start(self, offered: Offered) -> Exchange[tuple[Quota, ...]]:
        found, take_quota = collect(Quota)

        def take(response: Response) -> bool:
            return take_quota(response) or isinstance(response, QuotaRoots)

        line = Line(offered)
        if offered.has("QUOTA"):
            line.raw("GETQUOTAROOT").mailbox(self.path)
        else:
            line.raw("NOOP")
        return Exchange(line.end(), lambda _tagged: tuple(found), take)
