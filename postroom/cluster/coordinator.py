"""The one loop that hands accounts out, wherever the coordinator lock is (decision 2).

Every supervisor runs it; the lock lets one act. A paused coordinator that wakes up late does no
harm: an account is given only if its owner is still the one that was seen. Each round starts from
what the store holds, so a lost wake-up costs at most one interval.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

from postroom.clock import Clock
from postroom.cluster.assign import moves, plan
from postroom.cluster.members import IMAP, Members
from postroom.cluster.owners import Give, Owners
from postroom.errors import StoreUnavailable
from postroom.logs import get_logger
from postroom.model.owner import Owner
from postroom.store.connection import Argument, Store
from postroom.store.scripts import Script
from postroom.store.wake import ASSIGN_TOPIC, Wake

# The lock outlives two missed rounds.
LOCK_MS = 15_000
# Half of the failsafe, so that it is kept whatever wake-up is lost.
ROUND_S = 5.0
# Contract U2: what waits for workers that do not come is handed out after 10 s.
FAILSAFE_S = 10.0
# Accounts that change hands in one round when a worker joins: each costs its server a login.
MOVES = 20

log = get_logger("cluster")


class Coordinator:
    """This process's candidate for the coordinator lock."""

    def __init__(  # noqa: PLR0917  # each of another type, wired in one place
        self,
        store: Store,
        members: Members,
        owners: Owners,
        wake: Wake,
        clock: Clock,
        node: str,
        expected_workers: int = 1,
        on_gone: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        """`expected_workers` is how many account workers start together with this process.

        `on_gone` is told the id of every member that was silent for so long that it was removed.
        """
        self._store = store
        self._members = members
        self._owners = owners
        self._wake = wake
        self._clock = clock
        self._expected = expected_workers
        self._token = f"{node}-{secrets.token_hex(8)}"
        self._on_gone = on_gone
        self._settled: object = None
        self._waiting_since_s: float | None = None

    async def run(self) -> None:
        """Assign for ever whenever the lock is ours; an unreachable store is waited for."""
        try:
            while True:
                await self._turn()
                await self._wake.wait(ASSIGN_TOPIC, ROUND_S)
        finally:
            await self._step_down()

    async def hold(self) -> bool:
        """Take or prolong the lock; whether it is ours."""
        arguments: list[Argument] = [self._token, LOCK_MS]
        return bool(await self._store.run(Script.HOLD_LOCK, [self._key()], arguments))

    async def round(self) -> int:
        """Give every account without a live owner to a live worker; how many were given."""
        for gone in await self._members.sweep():
            log.warning("member.gone", worker=gone)
            if self._on_gone is not None:
                await self._on_gone(gone)
        workers = [member.id for member in await self._members.fresh(IMAP)]
        holds = await self._owners.holds()
        counts = await self._account_counts()
        situation = (workers, holds, counts)
        if situation == self._settled:
            return 0
        waiting = [name for name in await self._accounts() if not _is_held(holds, name, workers)]
        gifts = self._gifts(waiting, holds, workers)
        given = await self._owners.give(gifts)
        if given:
            log.info("accounts.assigned", given=len(given), waiting=len(waiting))
        self._settled = None if gifts or waiting else situation
        return len(given)

    def _gifts(
        self, waiting: Sequence[str], holds: Mapping[str, Owner], workers: Sequence[str]
    ) -> list[Give]:
        loads = dict.fromkeys(workers, 0)
        for owner in holds.values():
            if owner.worker in loads:
                loads[owner.worker] += 1
        if waiting:
            unowned = [name for name in waiting if name not in holds]
            orphans = [name for name in waiting if name in holds]
            chosen = plan(unowned, orphans, loads, self._workers_to_come(len(workers)))
        else:
            self._waiting_since_s = None
            owned = {name: owner.worker for name, owner in holds.items()}
            chosen = moves(owned, workers, MOVES)
        return [Give(name, worker, holds.get(name)) for name, worker in chosen.items()]

    def _workers_to_come(self, live: int) -> int:
        """How many workers to share among: those expected, but only for the failsafe time."""
        now_s = self._clock.steady_s()
        if self._waiting_since_s is None:
            self._waiting_since_s = now_s
        is_patient = now_s - self._waiting_since_s < FAILSAFE_S
        return max(live, self._expected) if is_patient else live

    async def _turn(self) -> None:
        try:
            if await self.hold():
                await self.round()
        except StoreUnavailable as error:
            log.warning("coordinator.store.unavailable", **error.log)

    async def _step_down(self) -> None:
        try:
            await self._store.run(Script.DROP_LOCK, [self._key()], [self._token])
        except StoreUnavailable as error:
            log.warning("coordinator.store.unavailable", **error.log)

    async def _account_counts(self) -> list[int]:
        keys = [self._store.keys.part(one, "accounts") for one in self._store.keys.partitions()]
        return await self._store.batch([("ZCARD", key) for key in keys])

    async def _accounts(self) -> list[str]:
        keys = [self._store.keys.part(one, "accounts") for one in self._store.keys.partitions()]
        replies = await self._store.batch([("ZRANGE", key, 0, -1) for key in keys])
        return [name.decode() for reply in replies for name in reply]

    def _key(self) -> str:
        return self._store.keys.shared("coordinator")


def _is_held(holds: Mapping[str, Owner], account: str, workers: Sequence[str]) -> bool:
    return account in holds and holds[account].worker in workers
