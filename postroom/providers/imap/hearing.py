"""Waiting for news of the selected mailbox, and finding out that nothing is heard (I7, I14).

IDLE where the server has it, else NOOP at a pace. Neither is trusted: when a change turns up that
the server could have told while it was listened to, the ear counts as deaf, and the mailbox is
looked at by itself at the pace of polling until news come in time again. When such a look finds
something, too, one new connection an hour is tried: the session may be what is broken.
What was learned of a server outlives the connection, so that nothing goes round in circles.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from postroom.clock import Clock, Deadline
from postroom.errors import ConnectionClosing, DeadlineExceeded
from postroom.imap.commands.noop import Noop
from postroom.imap.errors import ImapRefused
from postroom.logs import get_logger
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.limits import WatchLimits
from postroom.providers.imap.passes import News

log = get_logger("providers.imap")

# A server that leaves IDLE unanswered this often in a row is polled; once may be the network.
UNANSWERED = 2
# After that long it is trusted anew: servers are repaired.
TRUST_AGAIN_S = 3600.0


@dataclass(slots=True)
class Ear:
    """How the server of an account tells news, as learned over its connections."""

    unanswered: int = 0
    unanswered_s: float = 0.0
    is_deaf: bool = False
    mended_s: float | None = None


class Hearing:
    """Listens on one connection; `news` is what the connection heard."""

    def __init__(
        self,
        desk: Desk,
        connection: ImapConnection,
        limits: WatchLimits,
        ear: Ear,
        news: News,
    ) -> None:
        self._account = desk.account.account
        self._connection = connection
        self._clock = desk.clock
        self._limits = limits
        self._ear = ear
        self._news = news
        self._is_refused = False

    async def listen(self, wake: Bell, at_most_s: float) -> bool:
        """Wait for news, for `wake`, or for the end of the time; the server was there afterwards.

        True when nothing was told and that proves nothing: the mailbox has to be looked at.
        """
        ear = self._ear
        if ear.is_deaf:
            at_most_s = min(at_most_s, self._limits.poll_s)
        if self._can_idle():
            await self._idle(wake, min(at_most_s, self._limits.idle_s))
        else:
            await self._poll(wake, min(at_most_s, self._limits.poll_s))
        if not self._connection.is_open:
            raise ConnectionClosing("The mail server closed the connection")
        return ear.is_deaf and not self._news and not wake.is_set()

    def missed(self) -> None:
        """A look found what should have been told while the server was listened to.

        Raises ConnectionClosing when a new connection may hear better.
        """
        ear, now_s = self._ear, self._clock.steady_s()
        if not ear.is_deaf:
            self._doubt()
        elif ear.mended_s is None or now_s - ear.mended_s >= TRUST_AGAIN_S:
            ear.mended_s = now_s
            raise ConnectionClosing("The mail server stopped telling news")

    def _doubt(self) -> None:
        if not self._ear.is_deaf:
            log.warning("connection.deaf", account=self._account)
            self._ear.is_deaf = True

    def _can_idle(self) -> bool:
        if self._is_refused or not self._connection.has("IDLE"):
            return False
        ear = self._ear
        if ear.unanswered < UNANSWERED:
            return True
        return self._clock.steady_s() - ear.unanswered_s >= TRUST_AGAIN_S

    async def _idle(self, wake: Bell, at_most_s: float) -> None:
        started_s = self._clock.steady_s()
        try:
            await self._connection.idle(wake, at_most_s)
        except ImapRefused as error:
            # Offered and refused all the same: this connection is polled.
            self._is_refused = True
            log.info("connection.no_idle", account=self._account, reason=error.text)
            return
        except DeadlineExceeded:
            self._ear.unanswered += 1
            self._ear.unanswered_s = self._clock.steady_s()
            raise
        self._ear.unanswered = 0
        if not self._news:
            return
        if self._clock.steady_s() - started_s < at_most_s:
            self._ear.is_deaf = False
        else:
            # Told only when IDLE was over: news are as late as the round, which is no push.
            self._doubt()

    async def _poll(self, wake: Bell, seconds: float) -> None:
        await pause(self._clock, wake, seconds)
        deadline = Deadline.after(self._clock, self._limits.noop_timeout_s)
        await self._connection.run(Noop(), deadline)
        if self._news:
            self._ear.is_deaf = False


async def pause(clock: Clock, wake: Bell, seconds: float) -> None:
    """Wait for the time to pass or for `wake`."""
    waiting = (
        asyncio.ensure_future(clock.sleep(seconds)),
        asyncio.ensure_future(wake.wait()),
    )
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


def moved(known: Known) -> int:
    """How many messages a pass found to have come or gone; of flags many servers tell nothing."""
    return known.found["added"] + known.found["removed"]


def is_cancelled() -> bool:
    """Whether somebody wants the running task to end; else what it waited for was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
