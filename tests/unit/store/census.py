"""Every key and every member that mentions an account: what a deletion must leave none of."""

from __future__ import annotations

from postroom.store.connection import Store


async def keys_of(store: Store, pattern: str = "*") -> set[str]:
    """Every key of the store that fits the pattern, by SCAN."""
    found: set[str] = set()
    cursor = 0
    while True:
        raw, names = await store.command("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        found |= {name.decode() for name in names}
        cursor = int(raw)
        if cursor == 0:
            return found
