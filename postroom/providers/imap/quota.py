"""The storage quota of an account (contract C13): what counts for INBOX, by QUOTA (RFC 9208)."""

from __future__ import annotations

from collections.abc import Iterable

from postroom.clock import Deadline
from postroom.imap.commands.quota import GetQuotaRoot
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Quota
from postroom.model.quota import QuotaTold, StorageQuota
from postroom.providers.imap.sessions import CommandConnections

# RFC 9208 5.1: STORAGE is counted in units of 1,024 bytes.
STORAGE_UNIT_BYTES = 1024


async def read_quota(connections: CommandConnections, deadline: Deadline) -> QuotaTold:
    """What the server tells; nothing without the extension or when it refuses."""
    async with connections.use(deadline) as session:
        if not session.has("QUOTA"):
            return QuotaTold()
        try:
            told = await session.run(GetQuotaRoot("INBOX"), deadline)
        except ImapRefused:
            return QuotaTold()
    return QuotaTold(quota=storage_quota(told))


def storage_quota(told: Iterable[Quota]) -> StorageQuota | None:
    """The quota that is nearest to being full; a limit of 0 allows nothing and is no quota."""
    storages = [quota.resources["STORAGE"] for quota in told if "STORAGE" in quota.resources]
    limited = [(used, limit) for used, limit in storages if limit > 0]
    if not limited:
        return None
    used, limit = max(limited, key=lambda pair: pair[0] / pair[1])
    return StorageQuota(
        usage=used * STORAGE_UNIT_BYTES,
        limit=limit * STORAGE_UNIT_BYTES,
        status=f"{round(used * 100 / limit)}%",
    )
