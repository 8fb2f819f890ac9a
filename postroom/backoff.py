"""How long to wait before the next try: pure arithmetic, used by every retry (floor F0)."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first_ms * factor ** (attempt - 1)`, at most `most_ms`, then jitter.

    `jitter` is the share taken off or added at random (0.2 = plus or minus up to 20 %);
    `extra_ms` is a random addition of up to that many milliseconds.
    """

    first_ms: int
    factor: float = 2.0
    most_ms: int = 86_400_000
    jitter: float = 0.0
    extra_ms: int = 0

    def delay_ms(self, attempt: int, rng: random.Random | None = None) -> int:
        """Milliseconds to wait after failed attempt number `attempt` (1 = the first)."""
        dice = rng or _DICE
        # A float power overflows past about 1,000 doublings; the cap makes the exponent moot.
        exponent = min(max(attempt, 1) - 1, 60)
        plain = min(self.first_ms * self.factor**exponent, self.most_ms)
        spread = plain * self.jitter * (2 * dice.random() - 1)
        return max(0, round(plain + spread + dice.random() * self.extra_ms))


_DICE = random.SystemRandom()

# Contract I8: reconnects from 2 s by 1.5 up to 30 s, plus up to 1 s.
RECONNECT = Backoff(first_ms=2_000, factor=1.5, most_ms=30_000, extra_ms=1_000)
# Contract webhooks.json and F8: 5 s doubling, 20 % jitter.
DELIVERY = Backoff(first_ms=5_000, factor=2.0, jitter=0.2)
# Contract U2: a crashed worker comes back after 1 s doubling to 60 s, 20 % jitter.
RESTART = Backoff(first_ms=1_000, factor=2.0, most_ms=60_000, jitter=0.2)
# A refused password rarely mends itself, and servers lock accounts that keep trying. A changed
# registration connects at once.
REFUSED_LOGIN = Backoff(first_ms=10_000, factor=2.0, most_ms=300_000, extra_ms=1_000)
