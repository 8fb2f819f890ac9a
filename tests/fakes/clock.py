"""A clock whose hands the test turns."""

from __future__ import annotations

import asyncio
import heapq


class FakeClock:
    """Stands at `start_ms` until `advance` is called; sleepers wake in order of their time."""

    def __init__(self, start_ms: int = 1_795_000_000_000) -> None:
        self._now_s = start_ms / 1000
        self._steady = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now_ms(self) -> int:
        return round(self._now_s * 1000)

    def steady_s(self) -> float:
        return self._steady

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock ahead, or back; nobody has waited."""
        self._now_s += seconds

    async def sleep(self, seconds: float) -> None:
        self._count += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._steady + seconds, self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass; every sleeper due by then runs, in order."""
        end = self._steady + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            at, _, future = heapq.heappop(self._sleepers)
            self._move(at)
            if not future.done():
                future.set_result(None)
            for _ in range(10):
                await asyncio.sleep(0)
        self._move(end)

    def _move(self, steady: float) -> None:
        self._now_s += steady - self._steady
        self._steady = steady
