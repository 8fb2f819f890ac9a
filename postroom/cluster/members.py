"""The register of processes: each beats from its own event loop, a silent one is not there.

A member's record is one field of one hash, rewritten whole with each beat, so a member that was
swept while it was paused registers itself again by its next beat. Worker ids are never used twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroom.clock import Clock
from postroom.model.value import Value
from postroom.store.connection import Store
from postroom.store.wake import ASSIGN_TOPIC, wake

# Contract U1: unhealthy after 30 s without a beat, restarted after 60 s.
FRESH_MS = 30_000
SWEPT_AFTER_MS = 120_000
# How long `find` believes the copy it read: an order below the 30 s it judges by.
KEPT_S = 2.0
IMAP = "imap"


class Member(Value, frozen=True, kw_only=True, omit_defaults=False):
    """One live process; `address` is where its calls are taken (`unix:///...`), if it takes any."""

    id: str
    kind: str
    node: str
    pid: int
    address: str = ""
    started_ms: int = 0
    beat_ms: int = 0


class Members:
    """The processes that work on the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._own: dict[str, Member] = {}
        self._kept: dict[str, Member] = {}
        self._kept_until_s = float("-inf")

    async def register(self, member: Member) -> None:
        """Enter a process; the coordinator is told that there is one more."""
        now = self._clock.now_ms()
        self._own[member.id] = msgspec.structs.replace(member, started_ms=now)
        await self.beat(member.id)
        await wake(self._store, ASSIGN_TOPIC)

    async def beat(self, worker: str) -> None:
        """Say that a process which was registered here is alive."""
        member = msgspec.structs.replace(self._own[worker], beat_ms=self._clock.now_ms())
        await self._store.command("HSET", self._key(), worker, msgspec.json.encode(member))

    async def leave(self, worker: str) -> None:
        """Take a process off the register; what it still holds is given to others at once."""
        self._own.pop(worker, None)
        await self._store.command("HDEL", self._key(), worker)
        await wake(self._store, ASSIGN_TOPIC)

    async def list(self) -> Sequence[Member]:
        """Every registered process, silent ones too, by id."""
        rows = await self._store.batch([("HGETALL", self._key())])
        members = [msgspec.json.decode(raw, type=Member) for raw in rows[0].values()]
        return sorted(members, key=lambda member: member.id)

    async def fresh(self, kind: str) -> Sequence[Member]:
        """The processes of a kind whose last beat is not older than FRESH_MS, by id."""
        return [one for one in await self.list() if one.kind == kind and self.is_fresh(one)]

    async def find(self, worker: str) -> Member | None:
        """A live process by its id; asks the store at most once in two seconds for a known one."""
        is_old = self._clock.steady_s() >= self._kept_until_s
        if is_old or worker not in self._kept:
            self._kept_until_s = self._clock.steady_s() + KEPT_S
            self._kept = {member.id: member for member in await self.list()}
        member = self._kept.get(worker)
        return member if member is not None and self.is_fresh(member) else None

    async def sweep(self) -> Sequence[str]:
        """Remove the records of processes that have been silent for long; their ids."""
        limit = self._clock.now_ms() - SWEPT_AFTER_MS
        silent = [member.id for member in await self.list() if member.beat_ms < limit]
        if silent:
            await self._store.command("HDEL", self._key(), *silent)
        return silent

    def is_fresh(self, member: Member) -> bool:
        """Whether the process has beaten lately enough to hold accounts."""
        return self._clock.now_ms() - member.beat_ms <= FRESH_MS

    def _key(self) -> str:
        return self._store.keys.shared("members")
