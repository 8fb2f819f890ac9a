"""Taking due lanes from the schedule, up to so many at a time.

For each partition it is known when there is next something to do; a wake-up or a slow poll makes
it "now". One claim is made per free place, so a worker never holds a lane that it does not serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from postroom.clock import Clock
from postroom.errors import StoreUnavailable
from postroom.logs import get_logger
from postroom.queue.schedule import NOTIFY, Leased, Schedule
from postroom.store.keys import PARTITIONS
from postroom.store.wake import Wake, queue_topic

# A lost wake-up delays a lane by this much at most; also how soon a resumed queue goes on.
POLL_S = 5.0
# After a failure: long enough not to spin, short enough not to be felt.
PAUSE_S = 1.0

log = get_logger("webhooks")


class LaneClaims:
    """Runs `serve` on due lanes, at most `concurrency` at once."""

    def __init__(
        self,
        schedule: Schedule,
        wake: Wake,
        clock: Clock,
        serve: Callable[[Leased], Awaitable[None]],
        concurrency: int,
    ) -> None:
        self._schedule = schedule
        self._wake = wake
        self._clock = clock
        self._serve = serve
        self._places = asyncio.Semaphore(concurrency)
        self._stopping = asyncio.Event()
        # Partitions in which a lane was given back: only then is it known when it is due.
        self._returned: set[int] = set()
        self._has_returned = asyncio.Event()
        self._topics = {queue_topic(NOTIFY, one): one for one in range(PARTITIONS)}
        self._due_ms: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)
        # Rotates, so that no partition is always served first.
        self._first = 0

    def stop(self) -> None:
        """Claim no more; `run` ends when the served lanes are done."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve lanes until `stop`."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._places.acquire()
                leased = await self._next()
                if leased is None:
                    return
                group.create_task(self._hold(leased))

    async def _hold(self, leased: Leased) -> None:
        try:
            await self._serve(leased)
        except StoreUnavailable:
            # The lease runs out by itself; whoever is there then goes on.
            log.warn("lane.waiting", lane=leased.item)
        except Exception:
            # A lane that fails in a way nobody foresaw keeps its lease time as a pause.
            log.exception("lane.failed", lane=leased.item)
        finally:
            self._places.release()
            self._returned.add(leased.partition)
            self._has_returned.set()

    async def _next(self) -> Leased | None:
        """The next lane, as soon as one is due; None after `stop`."""
        while not self._stopping.is_set():
            # Lanes of a busy partition must not keep the wake-ups of another one waiting.
            self._woken(await self._wake.wait_any(list(self._topics), 0))
            self._take_returned()
            try:
                leased = await self._claim()
            except StoreUnavailable:
                log.warn("claim.waiting")
                await self._clock.sleep(PAUSE_S)
                continue
            if leased is not None:
                return leased
            await self._wait()
        return None

    async def _claim(self) -> Leased | None:
        now = self._clock.now_ms()
        poll_ms = now + round(POLL_S * 1000)
        due = [one for one in range(PARTITIONS) if self._due_ms[one] <= now]
        if due and await self._schedule.is_paused():
            self._due_ms.update(dict.fromkeys(due, poll_ms))
            return None
        for partition in sorted(due, key=lambda one: (one - self._first) % PARTITIONS):
            claim = await self._schedule.claim(partition, 1)
            if claim.items:
                self._first = partition + 1
                return claim.items[0]
            # Nothing due: look again when the first one is, when woken, or at the slow poll.
            self._due_ms[partition] = min(claim.next_due_ms or poll_ms, poll_ms)
        return None

    async def _wait(self) -> None:
        """Until a wake-up, the first known due time, a lane given back, or `stop`."""
        until_s = (min(self._due_ms.values()) - self._clock.now_ms()) / 1000
        waiting = asyncio.ensure_future(
            self._wake.wait_any(list(self._topics), min(max(until_s, 0.001), POLL_S))
        )
        flags = (self._stopping, self._has_returned)
        others = [asyncio.ensure_future(flag.wait()) for flag in flags]
        try:
            await asyncio.wait({waiting, *others}, return_when=asyncio.FIRST_COMPLETED)
            woken = waiting.result() if waiting.done() else []
        finally:
            for task in (waiting, *others):
                task.cancel()
        self._woken(woken)

    def _take_returned(self) -> None:
        # Before a claim, never after it: what is given back during one is looked at by the next.
        self._due_ms.update(dict.fromkeys(self._returned, 0))
        self._returned.clear()
        self._has_returned.clear()

    def _woken(self, topics: Sequence[str]) -> None:
        self._due_ms.update({self._topics[topic]: 0 for topic in topics})
