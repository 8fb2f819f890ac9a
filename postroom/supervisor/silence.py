"""Who has been silent too long: pure bookkeeping over the members' beats (contract U1).

What counts is that a beat changes between two looks, on our own steady clock: a wrong wall clock
in a worker cannot kill it. While the store is unreachable nobody can beat, so an outage forgives.
"""

from __future__ import annotations

from collections.abc import Mapping


class Silence:
    """The last change of each member's beat."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._last: dict[str, tuple[int | None, float]] = {}

    def look(self, expected: set[str], beats: Mapping[str, int], now_s: float) -> set[str]:
        """The expected members whose beat has stood still for more than the limit."""
        self._last = {member: seen for member, seen in self._last.items() if member in expected}
        for member in expected:
            beat = beats.get(member)
            known = self._last.get(member)
            if known is None or (beat is not None and beat != known[0]):
                self._last[member] = (beat, now_s)
        return {m for m, (_, since_s) in self._last.items() if now_s - since_s > self._limit_s}

    def forgive(self) -> None:
        """Start counting anew: nobody could have been heard."""
        self._last.clear()
