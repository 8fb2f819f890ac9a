"""The wall clock, the steady clock and deadlines; the only file that reads the time (floor F1).

Everything that waits or stamps takes a `Clock`, so that tests turn the hands themselves.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from postroom.errors import DeadlineExceeded


class Clock(Protocol):
    """What time it is, and how to wait."""

    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since 1970, UTC."""
        ...

    def steady_s(self) -> float:
        """Seconds on a clock that never jumps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def steady_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def iso(ms: int) -> str:
    """`ms` since 1970 as UTC ISO 8601 with milliseconds: `2026-11-20T09:22:00.000Z`."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def parse_iso(text: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 text; a text without zone is UTC.

    Raises ValueError for anything else.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point on the steady clock by which a call must be over."""

    clock: Clock
    at_s: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(clock, clock.steady_s() + seconds)

    def remaining_s(self) -> float:
        """Seconds left; raises DeadlineExceeded when there are none."""
        left = self.at_s - self.clock.steady_s()
        if left <= 0:
            raise DeadlineExceeded("Timeout: no answer in time")
        return left

    @property
    def is_over(self) -> bool:
        return self.at_s <= self.clock.steady_s()
