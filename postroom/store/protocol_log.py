"""The protocol log of an account: the newest lines of what was said on its connections.

Written in batches by the account's owner, read by the API (contract Z2). It is no state: nothing
is decided by it, so it needs no fence, only that it never outlives its account.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from postroom.store.connection import Store
from postroom.store.scripts import Script

# It is for finding a fault that is there now; what nobody read for a week is forgotten.
KEPT_S = 7 * 24 * 3600
# Lines of one read: some 100 KB.
PAGE_LINES = 500


class ProtocolLogs:
    """The protocol logs of the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def append(self, account: str, lines: Sequence[bytes], most: int) -> None:
        """Add lines to the end and keep at most `most`; nothing when the account is gone."""
        kept = lines[-most:] if most > 0 else ()
        if kept:
            keys = [self._store.keys.account(account), self._key(account)]
            await self._store.run(Script.APPEND_PROTOCOL_LOG, keys, [most, KEPT_S, *kept])

    async def read(self, account: str) -> AsyncIterator[bytes]:
        """The lines, oldest first, in pieces of many lines, each line ended."""
        start = 0
        while True:
            words = ("LRANGE", self._key(account), start, start + PAGE_LINES - 1)
            lines = await self._store.command(*words)
            if lines:
                yield b"\n".join(lines) + b"\n"
            if len(lines) < PAGE_LINES:
                return
            start += PAGE_LINES

    def _key(self, account: str) -> str:
        return self._store.keys.account(account, "protocol-log")
