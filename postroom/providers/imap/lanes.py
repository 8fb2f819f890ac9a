"""Whose turn it is at an account's command connections.

Two lanes: `interactive` is a person's or program's call that waits for its answer, `bulk` is work
that comes piece by piece, such as the further chunks of a download. (Sync needs no lane: it has a
connection of its own.) A call goes before bulk work, and bulk work never takes the last connection,
so that a call waits for other calls only. So that bulk work does not starve, it gets a turn after a
few calls in a row. Within a lane it is first come, first served: downloads take turns by chunk.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque

from postroom.clock import Deadline
from postroom.errors import ConnectionUnavailable, DeadlineExceeded

# Calls in a row that may pass waiting bulk work: it then has a fifth of the turns at least.
MOST_PASSED = 4
# An account whose server is slow must not collect the calls of hours: their callers have gone.
MOST_WAITING = 500


class Lane(enum.Enum):
    """What a turn is wanted for."""

    INTERACTIVE = enum.auto()
    BULK = enum.auto()


class Lanes:
    """The turns at `most` connections."""

    def __init__(self, most: int) -> None:
        self.free = most
        self._bulk_free = max(1, most - 1)
        self._passed = 0
        self._waiting: dict[Lane, deque[asyncio.Future[None]]] = {lane: deque() for lane in Lane}

    async def take(self, lane: Lane, deadline: Deadline) -> None:
        """Wait for a turn. Raises DeadlineExceeded, or ConnectionUnavailable when too many wait."""
        if sum(map(len, self._waiting.values())) >= MOST_WAITING:
            raise ConnectionUnavailable("Too many calls wait for the mail server of the account")
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[lane].append(mine)
        self._hand_on()
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                await mine
        except BaseException as error:
            self._give_up(lane, mine)
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded("Timeout: all connections are busy") from None
            raise

    def release(self, lane: Lane) -> None:
        """Give a turn back; the next in line has it."""
        self.free += 1
        self._bulk_free += lane is Lane.BULK
        self._hand_on()

    def _give_up(self, lane: Lane, mine: asyncio.Future[None]) -> None:
        if mine.done() and not mine.cancelled():
            # The turn came together with the end of the waiting.
            self.release(lane)
            return
        mine.cancel()
        if mine in self._waiting[lane]:
            self._waiting[lane].remove(mine)

    def _hand_on(self) -> None:
        while self.free and (lane := self._next()) is not None:
            self.free -= 1
            self._bulk_free -= lane is Lane.BULK
            self._waiting[lane].popleft().set_result(None)
            if lane is Lane.BULK:
                self._passed = 0
            elif self._waiting[Lane.BULK]:
                self._passed += 1

    def _next(self) -> Lane | None:
        for line in self._waiting.values():
            while line and line[0].done():
                line.popleft()
        calls, bulk = self._waiting[Lane.INTERACTIVE], self._waiting[Lane.BULK]
        can_bulk = bool(bulk) and self._bulk_free > 0
        if calls and not (can_bulk and self._passed >= MOST_PASSED):
            return Lane.INTERACTIVE
        return Lane.BULK if can_bulk else None
