"""Claiming, renewing and giving back the items of a queue."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from postroom.clock import Clock
from postroom.store.connection import Argument, Store
from postroom.store.scripts import Script
from postroom.store.wake import queue_topic, wake

SUBMIT = "submit"
NOTIFY = "notify"
EXPORT = "export"
QUEUES = (SUBMIT, NOTIFY, EXPORT)


@dataclass(frozen=True, slots=True)
class Leased:
    """An item held until its lease runs out; `token` proves it to the finishing script."""

    partition: int
    item: str
    token: str
    # True when an earlier holder let its lease run out (it was killed or it hung).
    was_stalled: bool


@dataclass(frozen=True, slots=True)
class Claim:
    items: tuple[Leased, ...]
    # When the earliest remaining item of the partition is due or its lease ends; None: empty.
    next_due_ms: int | None


class Schedule:
    """One queue in all partitions."""

    def __init__(
        self, store: Store, clock: Clock, queue: str, lease_ms: int, *, holder: str = ""
    ) -> None:
        """`holder` is the id of the worker that claims: `expire` finds its leases by it."""
        self._store = store
        self._holder = holder
        self._clock = clock
        self.queue = queue
        self.lease_ms = lease_ms

    def schedule_key(self, partition: int) -> str:
        return self._store.keys.part(partition, f"schedule:{self.queue}")

    def leases_key(self, partition: int) -> str:
        return self._store.keys.part(partition, f"leases:{self.queue}")

    async def claim(self, partition: int, limit: int) -> Claim:
        """Lease up to `limit` due items of one partition."""
        token = f"{self._holder}/{secrets.token_hex(8)}"
        reply = await self._store.run(
            Script.CLAIM,
            [self.schedule_key(partition), self.leases_key(partition)],
            [self._clock.now_ms(), self.lease_ms, limit, token],
        )
        pairs = zip(reply[1::2], reply[2::2], strict=True)
        items = tuple(
            Leased(partition, item.decode(), token, bool(stalled)) for item, stalled in pairs
        )
        return Claim(items, None if reply[0] < 0 else int(reply[0]))

    async def renew(self, leased: Leased) -> bool:
        """Hold the item for another lease time; False when it was lost to another worker."""
        until = self._clock.now_ms() + self.lease_ms
        return bool(await self._run(Script.RENEW, leased, until))

    async def release(self, leased: Leased, due_ms: int) -> bool:
        """Give the item back, due again at `due_ms`; False when the lease was lost."""
        return bool(await self._run(Script.RELEASE, leased, due_ms))

    async def expire(self, holder: str) -> int:
        """Make everything that a dead worker had leased due now; how many items that were."""
        count = 0
        for partition in self._store.keys.partitions():
            keys = [self.schedule_key(partition), self.leases_key(partition)]
            arguments: list[Argument] = [f"{holder}/", self._clock.now_ms()]
            found = int(await self._store.run(Script.EXPIRE, keys, arguments))
            if found:
                await wake(self._store, queue_topic(self.queue, partition))
            count += found
        return count

    async def is_paused(self) -> bool:
        """Whether the whole queue is paused (contract G3)."""
        key = self._store.keys.shared("queues-paused")
        return bool(await self._store.command("SISMEMBER", key, self.queue))

    async def _run(self, script: Script, leased: Leased, at_ms: int) -> int:
        keys = [self.schedule_key(leased.partition), self.leases_key(leased.partition)]
        return int(await self._store.run(script, keys, [leased.item, leased.token, at_ms]))
