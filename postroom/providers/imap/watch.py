"""The resident watcher of one account: connect, sync, idle, and again, for as long as it lives.

One task supervises one connection; a round starts it, IDLE fills the time between rounds, and
whatever the server says meanwhile asks for another pass (invariants I2, I8, I14). Back-off starts
over only after a connection that completed a sync and lived five minutes (I1, contract I8).
Nothing but Fenced ends `run`; every other failure is reported, waited for and tried again (I3).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from postroom.clock import Deadline
from postroom.errors import (
    AuthenticationRefused,
    ConnectionClosing,
    Fenced,
    PostroomError,
    StoreUnavailable,
)
from postroom.imap.types import Bye, Unsolicited
from postroom.logs import get_logger
from postroom.model.mailbox import MailboxCursor
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection
from postroom.providers.imap.budget import ConnectBudget
from postroom.providers.imap.connect import (
    CONNECT_TIMEOUT_S,
    ConnectOptions,
    connect,
)
from postroom.providers.imap.desk import Desk
from postroom.providers.imap.hearing import Ear, Hearing, is_cancelled, pause
from postroom.providers.imap.hints import Hints, ask_for_hints, renounce_hints
from postroom.providers.imap.history import History
from postroom.providers.imap.limits import (
    BUSY_RECONNECTS,
    MOST_PASSES,
    SETTLED_S,
    WatchLimits,
    resync_delay_s,
)
from postroom.providers.imap.passes import News
from postroom.providers.imap.rounds import Rounds
from postroom.providers.imap.subconnections import Subconnections

__all__ = ["ImapWatcher", "WatchLimits"]

log = get_logger("providers.imap")

# A round for the sake of a hint comes after so many times its own length: hints cost a tenth.
HINTED_SHARE = 10


class ImapWatcher:
    """Watches one account; satisfies `providers.interface.Watcher`."""

    def __init__(
        self,
        desk: Desk,
        read_options: Callable[[], Awaitable[ConnectOptions]],
        budget: ConnectBudget,
        limits: WatchLimits | None = None,
    ) -> None:
        self._desk = desk
        self._read_options = read_options
        self._budget = budget
        self._clock = desk.clock
        self._limits = limits or WatchLimits()
        self._history = History()
        self._ear = Ear()
        self._news = News()
        self._hints = Hints()
        self._has_hints = False
        self._subconnections: Subconnections | None = None
        self._wake = Bell()
        # The scope of the connection under way; expiring it ends the connection.
        self._session: asyncio.Timeout | None = None
        self._wants_round = False
        self._wants_reconnect = False
        self._attempt = 0
        self._has_completed = False
        # When the connections of the last minute were begun.
        self._connects: list[float] = []

    async def run(self) -> None:
        """Watch until another worker owns the account (Fenced) or the task is cancelled."""
        while True:
            await self._hold_back()
            # A reconnect that was asked for while the session ended by itself comes too late.
            with contextlib.suppress(asyncio.CancelledError):
                await self._live()
            if is_cancelled():
                raise asyncio.CancelledError

    async def _live(self) -> None:
        """One session, and the rest after it. Raises Fenced."""
        error = await self._try_session()
        if isinstance(error, Fenced):
            raise error
        if self._wants_reconnect:
            self._wants_reconnect = False
            return
        self._attempt += 1
        backoff = self._limits.reconnect
        if isinstance(error, AuthenticationRefused):
            backoff = self._limits.refused
        await self._rest(backoff.delay_ms(self._attempt) / 1000)

    def request_sync(self) -> None:
        """Start a round as soon as possible; one more when a round is under way."""
        self._wants_round = True
        self._wake.set()

    def request_reconnect(self) -> None:
        """Drop the connection and connect again at once."""
        self._wants_reconnect = True
        self._wake.set()
        if self._session is not None and not self._session.expired():
            self._session.reschedule(asyncio.get_running_loop().time())

    def verified_ms(self, cursor: MailboxCursor) -> int:
        """When a mailbox was last known to equal its index (invariant I7); 0 for never."""
        return self._history.verified_ms(cursor)

    async def _try_session(self) -> PostroomError | None:
        """One connection from its first byte to its last; the failure that ended it."""
        self._has_completed = False
        started_s = self._clock.steady_s()
        session = asyncio.timeout(None)
        try:
            async with session:
                self._session = session
                await self._run_session()
        except TimeoutError:
            if not session.expired():
                raise
            return None
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Somebody cancelled what the session waited for, not the session.
            error: PostroomError = ConnectionClosing("The connection was cut off")
        except PostroomError as failure:
            error = failure
        else:
            raise AssertionError("a session ends by a failure only")
        finally:
            self._session = None
        if self._has_completed and self._clock.steady_s() - started_s >= SETTLED_S:
            self._attempt = 0
        return await self._report(error)

    async def _report(self, error: PostroomError) -> PostroomError:
        """Tell the recorder; what ended the session, or a Fenced or store failure of telling."""
        if isinstance(error, Fenced):
            return error
        name = self._desk.account.account
        log.info("connection.ended", account=name, code=error.public_code, reason=error.text)
        if isinstance(error, StoreUnavailable):
            return error
        try:
            await self._desk.recorder.failed(error)
        except PostroomError as failure:
            return failure
        return error

    async def _run_session(self) -> None:
        desk = self._desk
        await desk.recorder.connecting()
        self._news, self._hints = News(), Hints()
        self._has_hints = False
        connection = await self._open(self._hear)
        subconnections = self._subconnections = self._new_subconnections()
        try:
            await desk.recorder.authenticated(_user(desk))
            await self._watch(connection)
        finally:
            self._subconnections = None
            try:
                if subconnections is not None:
                    await subconnections.close()
            finally:
                await connection.close()

    def _new_subconnections(self) -> Subconnections | None:
        if not self._desk.account.subconnections:
            return None
        return Subconnections(self._desk, self._open, self._limits)

    async def _open(self, hear: Callable[[Unsolicited], None]) -> ImapConnection:
        account = self._desk.account
        host = account.imap.host if account.imap is not None else None
        options = await self._read_options()
        async with self._budget.turn(host or ""):
            return await connect(
                account,
                clock=self._clock,
                deadline=Deadline.after(self._clock, CONNECT_TIMEOUT_S),
                options=options,
                on_unsolicited=hear,
            )

    async def _watch(self, connection: ImapConnection) -> None:
        """Rounds, passes and rest, until the connection ends."""
        desk, limits, news, hints = self._desk, self._limits, self._news, self._hints
        rounds = Rounds(desk, connection, self._history, news, hints, limits)
        rounds.subconnections = self._subconnections
        hearing = Hearing(desk, connection, limits, self._ear, news)
        next_round_s = earliest_s = self._clock.steady_s()
        passes, has_asked = 0, False
        while True:
            self._wake.clear()
            left_s = next_round_s - self._clock.steady_s()
            if left_s <= 0 or self._wants_round:
                took_s = await self._round(rounds, hearing)
                if not has_asked and rounds.has_others:
                    has_asked = True
                    self._has_hints = await ask_for_hints(connection, self._deadline())
                delay_s = limits.proof_s if rounds.needs_proof else resync_delay_s(desk.account)
                now_s = self._clock.steady_s()
                next_round_s = now_s + delay_s
                earliest_s = now_s + max(limits.pace_s, took_s * HINTED_SHARE)
            elif news or hints:
                passes += 1
                if passes > MOST_PASSES:
                    await pause(self._clock, self._wake, limits.pace_s)
                if await self._catch_up(rounds, connection):
                    next_round_s = min(next_round_s, earliest_s)
            else:
                passes = 0
                has_to_look = await hearing.listen(self._wake, left_s)
                if has_to_look and await rounds.look_at_main():
                    hearing.missed()

    async def _catch_up(self, rounds: Rounds, connection: ImapConnection) -> bool:
        """Look at what the server told news of; whether that takes a round."""
        if self._news:
            await rounds.look_at_main()
        hints = self._hints
        if hints.has_overflowed:
            hints.has_overflowed = False
            log.info("connection.hints_lost", account=self._desk.account.account)
            await renounce_hints(connection, self._deadline())
        return bool(hints) and await rounds.follow()

    async def _round(self, rounds: Rounds, hearing: Hearing) -> float:
        """One round; the seconds it took."""
        rounds.is_asked, self._wants_round = self._wants_round, False
        started_s = self._clock.steady_s()
        await self._desk.recorder.syncing()
        await rounds.run()
        await self._desk.recorder.synced(is_whole=not rounds.has_faults)
        self._desk.has_synced = True
        self._has_completed = True
        took_s = self._clock.steady_s() - started_s
        log.debug("account.synced", account=self._desk.account.account, ms=round(took_s * 1000))
        if rounds.is_surprised:
            hearing.missed()
        return took_s

    def _deadline(self) -> Deadline:
        return Deadline.after(self._clock, self._limits.noop_timeout_s)

    def _hear(self, told: Unsolicited) -> None:
        if isinstance(told, Bye):
            log.info("connection.bye", account=self._desk.account.account, text=told.text)
        if self._news.hear(told) or (self._has_hints and self._hints.hear(told)):
            self._wake.set()

    async def _rest(self, seconds: float) -> None:
        """Wait out the back-off; asking for a reconnect or a round ends it."""
        self._wake.clear()
        await pause(self._clock, self._wake, seconds)
        self._wants_reconnect = False

    async def _hold_back(self) -> None:
        """Bounded attempts (I1), whoever asks for them: contract I8 has 20 reconnects a minute."""
        now_s = self._clock.steady_s()
        recent = [at_s for at_s in self._connects if now_s - at_s < self._limits.busy_s]
        if len(recent) > BUSY_RECONNECTS:
            log.warning("connection.busy", account=self._desk.account.account)
            await self._clock.sleep(self._limits.busy_s - (now_s - recent[0]))
        self._connects = [*recent[-BUSY_RECONNECTS:], self._clock.steady_s()]


def _user(desk: Desk) -> str:
    server = desk.account.imap
    return server.auth.user if server is not None and server.auth is not None else ""
