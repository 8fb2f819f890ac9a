"""An event for waits that thousands of connections are in at the same time.

An asyncio.Event costs 700 bytes, and waiting for it beside something else a task of 1.5 KB. A bell
has a flag and whom to call when it rings: whoever waits for several things waits in one place and
looks at the flag there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Bell:
    """A flag that tells when it is set; otherwise like an asyncio.Event."""

    __slots__ = ("_is_set", "_listeners")

    def __init__(self) -> None:
        self._is_set = False
        self._listeners: tuple[Callable[[], None], ...] = ()

    def is_set(self) -> bool:
        """Whether it was set since the last `clear`."""
        return self._is_set

    def set(self) -> None:
        """Ring: set the flag and call everybody who listens."""
        self._is_set = True
        for listener in self._listeners:
            listener()

    def clear(self) -> None:
        """Forget that it rang."""
        self._is_set = False

    @contextmanager
    def heard_by(self, listener: Callable[[], None]) -> Iterator[None]:
        """Have `listener` called at each ring inside the context."""
        self._listeners = (*self._listeners, listener)
        try:
            yield
        finally:
            left = list(self._listeners)
            left.remove(listener)
            self._listeners = tuple(left)

    async def wait(self) -> None:
        """Wait until the flag is set; cancelling this loses nothing."""
        while not self._is_set:
            rang: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def tell(waiting: asyncio.Future[None] = rang) -> None:
                if not waiting.done():
                    waiting.set_result(None)

            with self.heard_by(tell):
                await rang
