"""What proves to the store that an item of a queue is held: the lease that a claim gave."""

from __future__ import annotations

from typing import Protocol


class Lease(Protocol):
    """A leased item (`queue.schedule.Leased`)."""

    @property
    def partition(self) -> int: ...

    @property
    def item(self) -> str: ...

    @property
    def token(self) -> str: ...
