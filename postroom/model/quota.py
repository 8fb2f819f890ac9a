"""How much an account may store on its mail server (contract C13)."""

from __future__ import annotations

from postroom.model.value import Value


class StorageQuota(Value, frozen=True, kw_only=True):
    """Bytes used and allowed; `status` is the share in percent, for people."""

    usage: int
    limit: int
    status: str


class QuotaTold(Value, frozen=True, kw_only=True):
    """The quota, or None when the server does not tell one."""

    quota: StorageQuota | None = None
