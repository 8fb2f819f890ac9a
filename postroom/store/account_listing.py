"""Finding accounts for a listing: by state and by text, sorted by id (contract J10).

The ids of all partitions are read at once; the hashes only when there is something to filter by,
in chunks and without opening a secret.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from postroom.model.account import AccountState
from postroom.model.value import Value
from postroom.store.connection import Store

# Hashes asked for in one round trip: some 1 MB of records.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """What to list; `query` is looked for in id, name and address."""

    state: AccountState | None = None
    query: str = ""

    @property
    def is_open(self) -> bool:
        """Whether every account passes."""
        return self.state is None and not self.query


class _Label(Value, frozen=True, kw_only=True):
    name: str = ""
    email: str | None = None


async def every_id(store: Store) -> list[str]:
    """The ids of all accounts, sorted."""
    keys = [store.keys.part(partition, "accounts") for partition in store.keys.partitions()]
    replies = await store.batch([("ZRANGE", key, 0, -1) for key in keys])
    return sorted(name.decode() for reply in replies for name in reply)


async def matching(store: Store, wanted: AccountFilter) -> list[str]:
    """The ids of the accounts that pass the filter, sorted."""
    ids = await every_id(store)
    if wanted.is_open:
        return ids
    found: list[str] = []
    for chunk in _chunks(ids):
        rows = await store.batch(
            [("HMGET", store.keys.account(name), "state", "record") for name in chunk]
        )
        pairs = zip(chunk, rows, strict=True)
        found += [name for name, row in pairs if row[1] is not None and _passes(wanted, name, row)]
    return found


def _passes(wanted: AccountFilter, name: str, row: Sequence[bytes]) -> bool:
    state, record = row
    if wanted.state is not None and state.decode() != wanted.state:
        return False
    if not wanted.query:
        return True
    try:
        label = msgspec.json.decode(record, type=_Label)
    except msgspec.MsgspecError:
        label = _Label()
    query = wanted.query.casefold()
    return any(query in text.casefold() for text in (name, label.name, label.email or ""))


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    left = iter(ids)
    return iter(lambda: list(itertools.islice(left, _CHUNK)), [])
