"""Open SMTP connections kept for the next message of the same account (contract F15).

A connection is lent to one attempt at a time and kept for a short while after it: a burst of
messages logs in once, and an idle account holds no connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from postroom.clock import Clock, Deadline
from postroom.net.smtp import SmtpConnection, SmtpTarget

# Long enough for a burst, short enough that servers do not mind.
IDLE_S = 5.0
# Servers limit the messages of one session; a fresh login now and then costs little.
MESSAGES_PER_CONNECTION = 100
# Idle connections of one account; more are closed.
IDLE_PER_TARGET = 2

Key = tuple[str, SmtpTarget]


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: SmtpConnection
    until_s: float


class SmtpPool:
    """The idle connections of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._idle: dict[Key, list[_Idle]] = {}
        self._reaper: asyncio.Task[None] | None = None

    def borrow(self, key: Key) -> SmtpConnection | None:
        """A connection that was alive when last used, or None."""
        kept = self._idle.get(key, [])
        while kept:
            idle = kept.pop()
            if idle.connection.is_usable and idle.until_s > self._clock.steady_s():
                return idle.connection
        self._idle.pop(key, None)
        return None

    async def open(self, key: Key, deadline: Deadline) -> SmtpConnection:
        """A new connection."""
        return await SmtpConnection.open(key[1], deadline)

    async def give_back(self, key: Key, connection: SmtpConnection) -> None:
        """Keep the connection for the next message, or close it."""
        kept = self._idle.setdefault(key, [])
        is_worn = connection.sent >= MESSAGES_PER_CONNECTION or len(kept) >= IDLE_PER_TARGET
        if is_worn or not connection.is_usable:
            await connection.close()
            return
        kept.append(_Idle(connection, self._clock.steady_s() + IDLE_S))
        if self._reaper is None or self._reaper.done():
            self._reaper = asyncio.create_task(self._reap())

    async def close(self) -> None:
        """Close everything."""
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.gather(self._reaper, return_exceptions=True)
        await self._close_if(lambda idle: True)

    async def _reap(self) -> None:
        while self._idle:
            await self._clock.sleep(IDLE_S)
            now = self._clock.steady_s()
            await self._close_if(lambda idle, now=now: idle.until_s <= now)  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    async def _close_if(self, is_over: Callable[[_Idle], bool]) -> None:
        over = [idle for kept in self._idle.values() for idle in kept if is_over(idle)]
        for key, kept in list(self._idle.items()):
            kept[:] = [idle for idle in kept if not is_over(idle)]
            if not kept:
                del self._idle[key]
        for idle in over:
            await idle.connection.close()
