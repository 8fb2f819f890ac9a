"""Trimming the event log behind the lanes.

An entry that is on a lane, or on no lane yet, stays (architecture, decision 12). Of the others the
newest are kept for whoever looks back. Past a hard cap even needed entries go: the store must not
fill up because a receiver is dead for days. Their lanes report each as lost.
"""

from __future__ import annotations

from postroom.clock import Clock
from postroom.errors import StoreUnavailable
from postroom.events.log import TRIM_LIMIT, EventLog
from postroom.logs import get_logger
from postroom.store.keys import PARTITIONS
from postroom.store.lanes import Lanes

# Entries per partition that nobody needs but that may be looked at: minutes to hours of traffic.
KEPT = 1_000
# Entries per partition in any case: some 100 MB at 1 KB each, so 1.6 GB in all.
HARD_CAP = 100_000
# Between two rounds; a burst of first syncs grows the log by some 10,000 entries in that time.
ROUND_S = 30.0

log = get_logger("webhooks")


class Retention:
    """Trims the logs of all partitions; several processes may do it at once."""

    def __init__(self, events: EventLog, lanes: Lanes, clock: Clock) -> None:
        self._events = events
        self._lanes = lanes
        self._clock = clock

    async def run(self) -> None:
        """Trim now and then, for ever."""
        while True:
            await self._clock.sleep(ROUND_S)
            try:
                for partition in range(PARTITIONS):
                    await self.trim(partition)
            except StoreUnavailable:
                log.warn("retention.waiting")

    async def trim(self, partition: int, *, kept: int = KEPT, hard_cap: int = HARD_CAP) -> None:
        """Trim one partition's log."""
        needed = await self._lanes.oldest_needed(partition)
        while await self._events.trim(partition, kept, needed) >= TRIM_LIMIT:
            pass
        lost = 0
        while (gone := await self._events.trim(partition, hard_cap)) > 0:
            lost += gone
        if lost:
            log.error("events.dropped", partition=partition, count=lost)
