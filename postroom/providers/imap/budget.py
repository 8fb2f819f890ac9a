"""How many connections one process opens at a time, in all and to one host (invariant I6).

Starting a thousand accounts is paced by what servers bear, not by a delay between accounts. A host
that complains of too many connections, or does not answer in time, gets half as many at a time;
after a quiet minute each success gives one back. So a host that is down soon holds one turn only,
and the turns that all hosts share stay with those that answer.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from postroom.clock import Clock, Deadline, SystemClock
from postroom.errors import ConnectFailed, DeadlineExceeded

# Handshakes under way in one process: TLS costs some milliseconds of the event loop each.
MOST_CONNECTING = 50
# Logins at the same time that one server is asked for.
MOST_PER_HOST = 20
# How long a complaint counts; servers count connections by the minute.
CALM_S = 60.0
_COMPLAINTS = frozenset({"LIMIT", "THROTTLED", "ETIMEDOUT"})
_COMPLAINT_TEXT = re.compile(
    r"too many|simultaneous|connection (?:rate|limit)|rate limit|maximum (?:number of )?connect",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Host:
    limit: int
    running: int = 0
    calm_from_s: float = 0.0
    urgent: deque[asyncio.Future[None]] = field(default_factory=deque)
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def next(self) -> asyncio.Future[None] | None:
        """The next in line; whoever gave up is passed over."""
        for line in (self.urgent, self.waiting):
            while line:
                if not (one := line.popleft()).done():
                    return one
        return None


class ConnectBudget:
    """The turns to connect; hosts that nobody waits for are forgotten."""

    def __init__(
        self,
        most: int = MOST_CONNECTING,
        most_per_host: int = MOST_PER_HOST,
        clock: Clock | None = None,
    ) -> None:
        self._free = most
        self._most_per_host = most_per_host
        self._clock = clock or SystemClock()
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(
        self, host: str, deadline: Deadline | None = None, *, is_urgent: bool = False
    ) -> AsyncIterator[None]:
        """Wait for a turn to connect to `host`; somebody who waits for an answer is `is_urgent`.

        Raises DeadlineExceeded.
        """
        known = self._hosts.setdefault(host, _Host(self._most_per_host))
        try:
            await self._wait(known, deadline, is_urgent=is_urgent)
        except BaseException:
            self._forget(host, known)
            raise
        try:
            yield
        except ConnectFailed as error:
            if is_complaint(error):
                known.limit = max(1, min(known.limit, known.running) // 2)
                known.calm_from_s = self._clock.steady_s() + CALM_S
            raise
        else:
            if known.limit < self._most_per_host and self._clock.steady_s() >= known.calm_from_s:
                known.limit += 1
        finally:
            self._give_back(host, known)

    async def _wait(self, known: _Host, deadline: Deadline | None, *, is_urgent: bool) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (known.urgent if is_urgent else known.waiting).append(mine)
        self._hand_on()
        try:
            async with asyncio.timeout(deadline.remaining_s() if deadline is not None else None):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                # The turn came together with the end of the waiting.
                self._free += 1
                known.running -= 1
            mine.cancel()
            self._hand_on()
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded("Timeout: too many connections are being made") from None
            raise

    def _give_back(self, host: str, known: _Host) -> None:
        self._free += 1
        known.running -= 1
        self._hand_on()
        self._forget(host, known)

    def _hand_on(self) -> None:
        """Give free turns to those who wait, host after host."""
        for name, known in list(self._hosts.items()) if self._free else ():
            while self._free and known.running < known.limit and (one := known.next()):
                self._free -= 1
                known.running += 1
                one.set_result(None)
                # Next time the other hosts come first.
                self._hosts[name] = self._hosts.pop(name)
            if not self._free:
                return

    def _forget(self, host: str, known: _Host) -> None:
        """Keep a host only while somebody needs it, or its complaint counts."""
        is_in_use = known.running or known.urgent or known.waiting
        if not is_in_use and known.calm_from_s <= self._clock.steady_s():
            self._hosts.pop(host, None)


def is_complaint(error: ConnectFailed) -> bool:
    """Whether the server has more connections than it bears, or bears none at all."""
    return error.public_code in _COMPLAINTS or _COMPLAINT_TEXT.search(error.text) is not None
