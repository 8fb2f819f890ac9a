"""The submit worker's loop: leases due messages and has them handled, some at a time.

A wake-up or a due time makes it look; a slow look of its own heals lost wake-ups (I14). A lease is
prolonged while its message is handled. Whatever goes wrong with one message is logged, its lease
runs out, and it comes back as stalled, a bounded number of times (I20): the loop goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from postroom.clock import Clock
from postroom.errors import StoreUnavailable
from postroom.logs import get_logger
from postroom.providers.interface import Sending
from postroom.queue.schedule import SUBMIT, Leased, Schedule
from postroom.store.connection import Store
from postroom.store.keys import PARTITIONS
from postroom.store.outbox import Outbox
from postroom.store.wake import queue_topic
from postroom.submit.deliver import Delivery, Neighbours
from postroom.submit.neighbours import Asking, HealthBook, Listening

# Contract F23: a submission is locked for three minutes at a time.
LEASE_MS = 180_000
# A partition is looked at this often without any wake-up.
LOOK_EVERY_MS = 15_000
# Never wait shorter than this, however close the next due time is: no spinning.
SHORTEST_WAIT_S = 0.01
PAUSED_LOOK_S = 1.0
STORE_PAUSE_S = 1.0
SWEEP_EVERY_MS = 3_600_000

log = get_logger("submit")
T = TypeVar("T")


class SubmitRunner:
    """Delivers queued messages until drained."""

    def __init__(
        self,
        *,
        store: Store,
        outbox: Outbox,
        accounts: HealthBook,
        gateway: Asking,
        wake: Listening,
        clock: Clock,
        sending: Sending,
        concurrency: int = 1,
        submit_delay_s: float = 0.0,
        lease_ms: int = LEASE_MS,
        worker_id: str = "",
    ) -> None:
        self._outbox = outbox
        self._wake = wake
        self._clock = clock
        self._concurrency = max(1, concurrency)
        self._submit_delay_s = submit_delay_s
        self._schedule = Schedule(store, clock, SUBMIT, lease_ms, holder=worker_id)
        neighbours = Neighbours(outbox, accounts, gateway, sending, clock)
        self._delivery = Delivery(neighbours, lease_ms)
        self._look_ms = dict.fromkeys(range(PARTITIONS), 0)
        self._turn = 0
        self._sweep_ms = 0
        self._at_work: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Deliver until `drain` is called; cancelling leaves the leases to run out."""
        try:
            async with asyncio.TaskGroup() as group:
                while not self._stop.is_set():
                    try:
                        await self._round(group)
                    except StoreUnavailable as error:
                        log.warning("submit.store-unavailable", reason=error.text)
                        await self._pause(STORE_PAUSE_S)
        finally:
            self._stopped.set()

    async def drain(self) -> None:
        """Take no more messages and wait for those being handled."""
        self._stop.set()
        await self._stopped.wait()

    async def _round(self, group: asyncio.TaskGroup) -> None:
        if len(self._at_work) >= self._concurrency:
            await self._or_stop(asyncio.wait(self._at_work, return_when=asyncio.FIRST_COMPLETED))
            return
        if await self._schedule.is_paused():
            await self._pause(PAUSED_LOOK_S)
            return
        leased = await self._claim()
        if leased is None:
            await self._sweep_now_and_then()
            await self._idle()
            return
        task = group.create_task(self._work(leased))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)
        if self._submit_delay_s > 0:
            await self._pause(self._submit_delay_s)

    async def _claim(self) -> Leased | None:
        now = self._clock.now_ms()
        for step in range(PARTITIONS):
            partition = (self._turn + step) % PARTITIONS
            if self._look_ms[partition] > now:
                continue
            claim = await self._schedule.claim(partition, 1)
            if claim.items:
                self._turn = partition + 1
                return claim.items[0]
            next_due = claim.next_due_ms or now + LOOK_EVERY_MS
            self._look_ms[partition] = min(next_due, now + LOOK_EVERY_MS)
        return None

    async def _idle(self) -> None:
        earliest = min(self._look_ms.values())
        wait_s = max(SHORTEST_WAIT_S, (earliest - self._clock.now_ms()) / 1000)
        topics = {queue_topic(SUBMIT, partition): partition for partition in range(PARTITIONS)}
        woken = await self._or_stop(self._wake.wait_any(list(topics), wait_s))
        for topic in woken or ():
            self._look_ms[topics[topic]] = 0

    async def _work(self, leased: Leased) -> None:
        keeper = asyncio.create_task(self._keep(leased))
        try:
            await self._delivery.handle(leased)
        except StoreUnavailable as error:
            log.warning("submit.store-unavailable", queue_id=leased.item, reason=error.text)
        except Exception:  # a job loop: one message's fault is not the others'
            log.exception("submit.job-crashed", queue_id=leased.item)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep(self, leased: Leased) -> None:
        while True:
            await self._clock.sleep(self._schedule.lease_ms / 3000)
            try:
                if not await self._schedule.renew(leased):
                    return
            except StoreUnavailable:
                continue

    async def _sweep_now_and_then(self) -> None:
        now = self._clock.now_ms()
        if now >= self._sweep_ms:
            self._sweep_ms = now + SWEEP_EVERY_MS
            await self._outbox.sweep()

    async def _pause(self, seconds: float) -> None:
        await self._or_stop(self._clock.sleep(seconds))

    async def _or_stop(self, waiting: Coroutine[Any, Any, T]) -> T | None:
        """The result of `waiting`, or None as soon as `drain` is called."""
        task = asyncio.ensure_future(waiting)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for one in (task, stop):
                one.cancel()
            await asyncio.gather(task, stop, return_exceptions=True)
