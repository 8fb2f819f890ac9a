"""The accounts that this worker owns, each watched and answered for.

The store says who owns what; the runner follows it: on a wake-up, and by itself (invariant I14). So
that an idle account costs nothing, two things are looked at by itself at two paces: every ten
seconds the counters of ownership, every minute the record of each account. Accounts come and go
one by one and none waits for another, but starts are paced. An account whose epoch changed is
another hold: the old one is stopped before the new one starts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from postroom.accounts.dispatch import Dispatch
from postroom.accounts.holding import Equipment, Holding
from postroom.clock import Clock, Deadline
from postroom.cluster.owners import Owners
from postroom.errors import (
    AccountNotFound,
    AccountUnusable,
    SealBroken,
    StoreUnavailable,
    WorkerNotAvailable,
)
from postroom.logs import get_logger
from postroom.model.account import AccountState
from postroom.model.operations import Download
from postroom.model.owner import Owner
from postroom.providers.interface import Answering
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.mailboxes import Mailboxes
from postroom.store.settings import Settings
from postroom.store.wake import Wake, worker_topic

log = get_logger("accounts")

# A wake-up may be lost; an account is never left lying longer than this.
LOOK_S = 10.0
# Nor is a changed or deleted record overlooked longer than this.
RECORDS_LOOK_S = 60.0
# After the store was away.
RETRY_S = 1.0
# Accounts stopped at the same time: each says good-bye to a server.
STOPS_AT_ONCE = 200


class AccountsRunner:
    """Holds this worker's accounts (`workers.station.Runner`)."""

    def __init__(  # noqa: PLR0917  # called once, by workers/imap.py
        self,
        store: Store,
        accounts: Accounts,
        mailboxes: Mailboxes,
        settings: Settings,
        owners: Owners,
        wake: Wake,
        clock: Clock,
        worker_id: str,
        *,
        setup_delay_s: float = 0.0,
        equipment: Equipment | None = None,
    ) -> None:
        self._accounts = accounts
        self._owners = owners
        self._wake = wake
        self._clock = clock
        self._worker_id = worker_id
        self._setup_delay_s = setup_delay_s
        self._equipment = equipment or Equipment(accounts, mailboxes, settings, clock)
        self._held: dict[str, Holding] = {}
        self._dispatch = Dispatch(self._answering_for)
        self._is_draining = False
        # When every record has to be looked at, whether anybody woke us or not.
        self._records_due_s = float("-inf")

    @property
    def held(self) -> frozenset[str]:
        """The accounts held now."""
        return frozenset(self._held)

    async def run(self) -> None:
        """Follow the assignments until cancelled or drained; the holdings end with it."""
        try:
            while not self._is_draining:
                await self._look()
        finally:
            await self._stop(list(self._held))

    async def drain(self) -> None:
        """Stop watching and give every account back, so that others take them at once."""
        self._is_draining = True
        holds = {name: holding.owner for name, holding in self._held.items()}
        await self._stop(list(holds))
        await self._owners.release_all(holds)

    async def answer(
        self, account: str, name: str, body: bytes, deadline: Deadline
    ) -> bytes | Download:
        """The answer to one operation; raises WorkerNotAvailable for an account not held."""
        return await self._dispatch.answer(account, name, body, deadline)

    def _answering_for(self, account: str) -> Answering:
        holding = self._held.get(account)
        if holding is None or holding.is_lost or self._is_draining:
            raise WorkerNotAvailable("The account is not held by this worker")
        if holding.answering is None:
            raise AccountUnusable(
                "The account has no mailbox to read",
                code="NotSyncing",
                extra={"state": str(AccountState.UNSET)},
            )
        return holding.answering

    async def _look(self) -> None:
        try:
            await self._follow()
            if await self._wake.wait(worker_topic(self._worker_id), LOOK_S):
                self._records_due_s = float("-inf")
        except StoreUnavailable as error:
            log.warning("store.unavailable", **error.log)
            self._records_due_s = float("-inf")
            await self._clock.sleep(RETRY_S)

    async def _follow(self) -> None:
        """Make the holdings what the store says they are."""
        owned = await self._owners.owned_by(self._worker_id)
        await self._stop([name for name in self._held if not self._is_held_as(name, owned)])
        asked = self._worth_reading(owned)
        revisions = await self._accounts.revisions(asked)
        await self._stop([name for name in asked if name not in revisions])
        for name, epoch in owned.items():
            if self._is_draining:
                return
            if name in revisions:
                await self._keep_current(name, epoch, revisions[name])

    def _is_held_as(self, name: str, owned: Mapping[str, int]) -> bool:
        return owned.get(name) == self._held[name].owner.epoch

    def _worth_reading(self, owned: Mapping[str, int]) -> list[str]:
        """The accounts whose records may be other ones than before."""
        now_s = self._clock.steady_s()
        if now_s < self._records_due_s:
            return [name for name in owned if name not in self._held]
        self._records_due_s = now_s + RECORDS_LOOK_S
        return list(owned)

    async def _keep_current(self, name: str, epoch: int, revision: int) -> None:
        holding = self._held.get(name)
        if holding is not None and holding.revision == revision:
            return
        try:
            account, status = await self._accounts.get_with_status(name)
        except AccountNotFound:
            return
        except SealBroken as error:
            # That account's trouble alone: the others are held all the same.
            log.warning("account.sealed", account=name, reason=error.text)
            return
        if holding is not None:
            if holding.takes(account, revision):
                return
            await self._stop([name])
        if self._is_draining:
            return
        owner = Owner(worker=self._worker_id, epoch=epoch)
        started = Holding(account, status, owner, revision, self._equipment)
        self._held[name] = started
        started.start()
        if self._setup_delay_s:
            await self._clock.sleep(self._setup_delay_s)

    async def _stop(self, names: Iterable[str]) -> None:
        """Stop holdings, many at the same time."""
        gate = asyncio.Semaphore(STOPS_AT_ONCE)

        async def stop(holding: Holding) -> None:
            async with gate:
                await holding.stop()

        stopping = [self._held.pop(name) for name in list(names) if name in self._held]
        if stopping:
            await asyncio.gather(*(stop(holding) for holding in stopping))
