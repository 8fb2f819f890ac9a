"""The layout version of the stored data: a store that means something else is not touched."""

from __future__ import annotations

from postroom.errors import ConfigurationError
from postroom.store.connection import Store
from postroom.store.keys import LAYOUT


async def check_layout(store: Store) -> None:
    """Mark an empty store as ours. Raises ConfigurationError for one of another layout."""
    key = store.keys.shared("layout")
    await store.command("SETNX", key, LAYOUT)
    found = await store.command("GET", key)
    if found != str(LAYOUT).encode():
        raise ConfigurationError(
            f"The store holds data of layout {found.decode()}, this release reads {LAYOUT}"
        )
