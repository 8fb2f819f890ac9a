"""How the receivers of webhooks are doing: who is busy, who is down, who waits for them.

So that a slow or dead receiver delays nobody else (invariant I24), what EENGINE_NOTIFY_QC limits is
the lanes delivered at once *to one URL*; a worker as a whole serves many more. A lane that comes
while its receiver has enough to do is parked: it is given back, and taken when its turn comes.
While a receiver is down, one lane tries it; the others are put off without counting an attempt.
All of it is one process's memory and only a hint: a parked lane is due again by itself as well.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from postroom.clock import Clock
from postroom.queue.schedule import Leased

V = TypeVar("V")

# A parked lane comes back after this time at the latest, so a receiver that is down is tried this
# often, and its coming back is noticed within half a minute.
PAUSE_MS = 30_000
# Lanes that may wait beside those being delivered: enough to hide the store's round trips.
WAITING = 1
# Lanes and receivers remembered; the oldest are forgotten, which costs some attempts or seconds.
MAX_LANES = 50_000
MAX_RECEIVERS = 10_000


@dataclass(frozen=True, slots=True)
class Parked:
    """A lane that was given back because its receiver had enough to do."""

    leased: Leased
    until_ms: int


@dataclass(slots=True)
class _Receiver:
    places: asyncio.Semaphore
    visitors: int = 0
    # Parked lanes with the times they were put off to, in the order of their coming.
    parked: OrderedDict[str, Parked] = field(default_factory=OrderedDict)
    # While it is down: the lane that found out, and until when the others are put off.
    finder: str = ""
    down_until_ms: int = 0


@dataclass(slots=True)
class Visit:
    """A lane that is being served; `url` is known once the first target was looked up."""

    leased: Leased
    url: str | None = None

    @property
    def lane(self) -> str:
        return self.leased.item


class Receivers:
    """The receivers that one process knows."""

    def __init__(self, clock: Clock, at_once: int) -> None:
        self._clock = clock
        self._at_once = at_once
        self._urls: OrderedDict[str, str] = OrderedDict()
        self._known: OrderedDict[str, _Receiver] = OrderedDict()

    def put_off_until_ms(self, visit: Visit) -> int | None:
        """When a lane should come back instead of being read now; None: read it."""
        url = self._urls.get(visit.lane)
        return None if url is None else self._turned_away(visit, self._receiver(url))

    def enter(self, visit: Visit, url: str) -> int | None:
        """The visit goes to this URL: None, or the time to come back when it is not its turn."""
        if visit.url is not None:
            return None
        _remember(self._urls, visit.lane, url, MAX_LANES)
        receiver = self._receiver(url)
        until_ms = self._turned_away(visit, receiver)
        if until_ms is None:
            receiver.visitors += 1
            receiver.parked.pop(visit.lane, None)
            visit.url = url
        return until_ms

    def leave(self, visit: Visit) -> None:
        """The visit is over."""
        if visit.url is not None:
            receiver = self._receiver(visit.url)
            receiver.visitors = max(0, receiver.visitors - 1)

    def next_parked(self, visit: Visit) -> Parked | None:
        """The lane whose turn it is now that this visit is over."""
        if visit.url is None:
            return None
        receiver = self._receiver(visit.url)
        if receiver.down_until_ms > self._clock.now_ms() or not receiver.parked:
            return None
        return receiver.parked.popitem(last=False)[1]

    @asynccontextmanager
    async def turn(self, url: str) -> AsyncIterator[None]:
        """One of the places at the receiver, for one attempt."""
        async with self._receiver(url).places:
            yield

    def down(self, lane: str, url: str, next_try_ms: int) -> None:
        """The lane found that the URL does not answer, and tries again at `next_try_ms`."""
        receiver = self._receiver(url)
        receiver.finder = lane
        receiver.down_until_ms = min(next_try_ms, self._clock.now_ms() + PAUSE_MS)

    def up(self, url: str) -> None:
        """The URL answers."""
        self._receiver(url).down_until_ms = 0

    def _turned_away(self, visit: Visit, receiver: _Receiver) -> int | None:
        now = self._clock.now_ms()
        is_down = receiver.down_until_ms > now and receiver.finder != visit.lane
        if not is_down and receiver.visitors < self._at_once + WAITING:
            return None
        until_ms = receiver.down_until_ms if is_down else now + PAUSE_MS
        _remember(receiver.parked, visit.lane, Parked(visit.leased, until_ms), MAX_LANES)
        return until_ms

    def _receiver(self, url: str) -> _Receiver:
        receiver = self._known.get(url) or _Receiver(asyncio.Semaphore(self._at_once))
        _remember(self._known, url, receiver, MAX_RECEIVERS)
        return receiver


def _remember(table: OrderedDict[str, V], key: str, value: V, limit: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > limit:
        table.popitem(last=False)
