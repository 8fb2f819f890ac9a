"""The event log: one stream per partition, each entry an event that has happened.

Entries are appended by the scripts of the store only. A log id is a place in one partition's log;
the event's own id is what the world sees.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from postroom.model.event import Event
from postroom.store.connection import Argument, Store
from postroom.store.scripts import Script

# Events read in one call; at some 4 KB each a reply stays under 1 MB.
READ_LIMIT = 256
# Entries that one trim script removes; more would hold up the store.
TRIM_LIMIT = 1_000
_ZLIB = b"\x78"


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and its place in the log."""

    log_id: str
    event: Event


def decode_payload(payload: bytes) -> Event:
    """The Event in a log entry's `p` field. Raises ValueError when it holds none."""
    try:
        text = zlib.decompress(payload) if payload.startswith(_ZLIB) else payload
        return msgspec.json.decode(text, type=Event)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError("a log entry is damaged") from error


class EventLog:
    """The logs of all partitions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def read(
        self, partition: int, after: str = "0", count: int = READ_LIMIT
    ) -> list[LoggedEvent]:
        """Up to `count` events of a partition that were logged after the log id `after`."""
        start = f"({after}" if after != "0" else "-"
        rows = await self._store.command("XRANGE", self._key(partition), start, "+", "COUNT", count)
        return [_logged(log_id, fields) for log_id, fields in rows]

    async def by_ids(self, partition: int, log_ids: Iterable[str]) -> dict[str, LoggedEvent]:
        """The events at these places, by log id; those no longer in the log are left out."""
        key = self._key(partition)
        replies = await self._store.batch([("XRANGE", key, one, one) for one in log_ids])
        found = (_logged(log_id, fields) for rows in replies for log_id, fields in rows)
        return {logged.log_id: logged for logged in found}

    async def last_id(self, partition: int) -> str:
        """The log id of the newest event; "0" when there is none."""
        rows = await self._store.command("XREVRANGE", self._key(partition), "+", "-", "COUNT", 1)
        return rows[0][0].decode() if rows else "0"

    async def length(self, partition: int) -> int:
        """How many events a partition's log holds."""
        return int(await self._store.command("XLEN", self._key(partition)))

    async def trim(self, partition: int, keep: int, needed: str | None = None) -> int:
        """Remove the oldest events beyond `keep`, never `needed` or later; how many went.

        One call removes at most TRIM_LIMIT.
        """
        arguments: list[Argument] = [keep, needed or "", TRIM_LIMIT]
        return int(await self._store.run(Script.TRIM_LOG, [self._key(partition)], arguments))

    def _key(self, partition: int) -> str:
        return self._store.keys.part(partition, "events")


def _logged(log_id: bytes, fields: Mapping[bytes, bytes]) -> LoggedEvent:
    return LoggedEvent(log_id.decode(), decode_payload(fields[b"p"]))
