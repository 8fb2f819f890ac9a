"""The resident watcher of one account: connect, sync, idle, and again, for as long as it lives.

One task supervises one connection; a round starts it, IDLE fills the time between rounds, and
whatever the server says meanwhile asks for another pass (invariants I2, I8, I14). Back-off starts
over only after a connection that completed a sync and lived five minutes (I1, contract I8).
Nothing but Fenced ends `run`; every other failure is reported, waited for and tried again (I3).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from postroom.backoff import RECONNECT, REFUSED_LOGIN, Backoff
from postroom.clock import Deadline
from postroom.errors import (
    AuthenticationRefused,
    ConnectionClosing,
    Fenced,
    PostroomError,
    StoreUnavailable,
)
from postroom.imap.commands.noop import Noop
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Bye, Unsolicited
from postroom.logs import get_logger
from postroom.net.imap import ImapConnection
from postroom.providers.imap.connect import (
    CONNECT_TIMEOUT_S,
    ConnectBudget,
    ConnectOptions,
    connect,
)
from postroom.providers.imap.desk import Desk
from postroom.providers.imap.passes import News
from postroom.providers.imap.rounds import MOST_PASSES, History, Rounds

log = get_logger("providers.imap")

# Contract I8.
SETTLED_S = 300.0
BUSY_RECONNECTS = 20
BUSY_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """How long the watcher waits for what; tests shorten them."""

    # RFC 2177: a server may log out after 30 minutes without a command.
    idle_s: float = 28 * 60.0
    # Without IDLE the mailbox is polled.
    poll_s: float = 60.0
    noop_timeout_s: float = 30.0
    # A mailbox that never holds still is looked at this often (I8), never in a tight loop.
    pace_s: float = 1.0
    # A mailbox missing from a listing: when to list again for proof (invariant I11).
    proof_s: float = 10.0
    reconnect: Backoff = RECONNECT
    refused: Backoff = REFUSED_LOGIN


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
        self._news = News()
        self._wake = asyncio.Event()
        self._session: asyncio.Task[None] | None = None
        self._wants_round = False
        self._wants_reconnect = False
        self._can_idle = True
        self._attempt = 0
        self._has_completed = False
        self._connects: deque[float] = deque(maxlen=BUSY_RECONNECTS + 1)

    async def run(self) -> None:
        """Watch until another worker owns the account (Fenced) or the task is cancelled."""
        while True:
            error = await self._try_session()
            if isinstance(error, Fenced):
                raise error
            if self._wants_reconnect:
                self._wants_reconnect = False
                continue
            self._attempt += 1
            backoff = self._limits.reconnect
            if isinstance(error, AuthenticationRefused):
                backoff = self._limits.refused
            await self._rest(backoff.delay_ms(self._attempt) / 1000)

    def request_sync(self) -> None:
        """Start a round as soon as possible."""
        self._wants_round = True
        self._wake.set()

    def request_reconnect(self) -> None:
        """Drop the connection and connect again at once."""
        self._wants_reconnect = True
        self._wake.set()
        if self._session is not None:
            self._session.cancel()

    async def _try_session(self) -> PostroomError | None:
        """One connection from its first byte to its last; the failure that ended it."""
        self._has_completed = False
        self._note_connect()
        started_s = self._clock.steady_s()
        session = self._session = asyncio.ensure_future(self._run_session())
        try:
            await asyncio.wait([session])
        finally:
            self._session = None
            if not session.done():
                session.cancel()
                await asyncio.wait([session])
        if session.cancelled():
            return None
        error = session.exception()
        if not isinstance(error, PostroomError):
            raise error or AssertionError("a session ends by a failure only")
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
        self._news = News()
        self._can_idle = True
        connection = await self._connect()
        try:
            await desk.recorder.authenticated(_user(desk))
            await self._watch(connection)
        finally:
            await connection.close()

    async def _connect(self) -> ImapConnection:
        account = self._desk.account
        host = account.imap.host if account.imap is not None else None
        options = await self._read_options()
        async with self._budget.turn(host or ""):
            return await connect(
                account,
                clock=self._clock,
                deadline=Deadline.after(self._clock, CONNECT_TIMEOUT_S),
                options=options,
                on_unsolicited=self._hear,
            )

    async def _watch(self, connection: ImapConnection) -> None:
        """Rounds, passes and rest, until the connection ends."""
        rounds = Rounds(self._desk, connection, self._history, self._news)
        next_round_s = self._clock.steady_s()
        passes = 0
        while True:
            self._wake.clear()
            left_s = next_round_s - self._clock.steady_s()
            if left_s <= 0 or self._wants_round:
                await self._round(rounds)
                delay_s = self._limits.proof_s if rounds.needs_proof else self._resync_delay_s()
                next_round_s = self._clock.steady_s() + delay_s
            elif self._news:
                passes += 1
                if passes > MOST_PASSES:
                    await self._wait(self._limits.pace_s)
                await rounds.look_at_main()
            else:
                passes = 0
                await self._listen(connection, left_s)

    async def _round(self, rounds: Rounds) -> None:
        self._wants_round = False
        started_s = self._clock.steady_s()
        await self._desk.recorder.syncing()
        await rounds.run()
        await self._desk.recorder.synced()
        self._desk.has_synced = True
        self._has_completed = True
        took_ms = round((self._clock.steady_s() - started_s) * 1000)
        log.debug("account.synced", account=self._desk.account.account, ms=took_ms)

    def _resync_delay_s(self) -> float:
        server = self._desk.account.imap
        # Contract I2; a delay of 0 or less would spin.
        return float(max(1, server.resync_delay)) if server is not None else 900.0

    async def _listen(self, connection: ImapConnection, left_s: float) -> None:
        """Wait for news, by IDLE or by polling; the connection was seen alive afterwards."""
        if self._can_idle and connection.has("IDLE"):
            try:
                await connection.idle(self._wake, min(left_s, self._limits.idle_s))
            except ImapRefused as error:
                # Offered and refused all the same: this connection is polled.
                self._can_idle = False
                name = self._desk.account.account
                log.info("connection.no_idle", account=name, reason=error.text)
        else:
            await self._wait(min(left_s, self._limits.poll_s))
            await connection.run(Noop(), Deadline.after(self._clock, self._limits.noop_timeout_s))
        if not connection.is_open:
            raise ConnectionClosing("The mail server closed the connection")

    def _hear(self, told: Unsolicited) -> None:
        if isinstance(told, Bye):
            log.info("connection.bye", account=self._desk.account.account, text=told.text)
        if self._news.hear(told):
            self._wake.set()

    async def _rest(self, seconds: float) -> None:
        """Wait out the back-off; asking for a reconnect or a round ends it."""
        self._wake.clear()
        await self._wait(seconds)
        self._wants_reconnect = False

    async def _wait(self, seconds: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait([sleep, wake], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sleep, wake):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _note_connect(self) -> None:
        """Contract I8: more than 20 connections a minute are worth a warning."""
        now_s = self._clock.steady_s()
        self._connects.append(now_s)
        if len(self._connects) > BUSY_RECONNECTS and now_s - self._connects[0] < BUSY_WINDOW_S:
            log.warning("connection.busy", account=self._desk.account.account)
            self._connects.clear()


def _user(desk: Desk) -> str:
    server = desk.account.imap
    return server.auth.user if server is not None and server.auth is not None else ""
