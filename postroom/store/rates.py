"""How often each token was used in its current window (contract N6).

Fixed windows: one counter per token and window, which goes away with the window. One round trip.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.clock import Clock
from postroom.store.connection import Store


@dataclass(frozen=True, slots=True)
class Rate:
    """How a call stands against its limit; `reset_s` is the time until the next window."""

    limit: int
    used: int
    reset_s: int

    @property
    def is_over(self) -> bool:
        """Whether the call is one too many."""
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        """Calls left in the window."""
        return max(0, self.limit - self.used)


class Rates:
    """The counters of all tokens."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def count(self, token: str, limit: int, window_s: int) -> Rate:
        """Count one call of a token."""
        window_ms = window_s * 1000
        number, passed_ms = divmod(self._clock.now_ms(), window_ms)
        left_ms = window_ms - passed_ms
        key = self._store.keys.shared(f"rate:{token}:{window_s}:{number}")
        used, _ = await self._store.batch([("INCR", key), ("PEXPIRE", key, left_ms)])
        return Rate(limit, int(used), max(1, -(-left_ms // 1000)))
