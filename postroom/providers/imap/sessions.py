"""Command connections: what answering uses, apart from the watcher's connection.

A connection is opened on demand, stays on the mailbox it was last used for, and is closed after a
minute without work, so reading never disturbs the watching. Uses are short (a download takes the
connection anew for each chunk) and wait in the line of their lane (`lanes`), so no call waits for a
download. A use is a scoped resource (invariant I4): after it the connection is ready for
the next one, or closed, because `ImapConnection.run` closes what was left in the middle.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from postroom.clock import Clock, Deadline
from postroom.errors import (
    ConnectFailed,
    ConnectionClosing,
    ConnectionUnavailable,
    DeadlineExceeded,
    MailboxNotFound,
    PostroomError,
)
from postroom.imap.commands.exchange import Command
from postroom.imap.commands.noop import Noop
from postroom.imap.commands.select import Select
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Exists, Expunged, Unsolicited, Vanished
from postroom.net.imap import ImapConnection
from postroom.providers.imap.budget import CALM_S, is_complaint
from postroom.providers.imap.lanes import Lane, Lanes
from postroom.providers.imap.passes import is_uid_validity

# Servers count connections per person (Gmail 15, many hosts 10) and the person's own programs
# need some; two let a small call pass a chunk of a download.
MOST_CONNECTIONS = 2
IDLE_S = 60.0
# Refusals of SELECT that say the mailbox is not there; old servers give no code at all.
_NOT_THERE = frozenset((None, "NONEXISTENT", "TRYCREATE"))

R = TypeVar("R")
Opening = Callable[[Deadline], Awaitable[ImapConnection]]


@dataclass(slots=True)
class Session:
    """One command connection and what is known of the mailbox it has selected."""

    connection: ImapConnection
    used_s: float
    path: str | None = None
    uid_validity: int = 0
    exists: int = 0

    async def run(self, command: Command[R], deadline: Deadline) -> R:
        """The command's result."""
        return await self.connection.run(command, deadline)

    def has(self, name: str) -> bool:
        """Whether the server has a capability."""
        return self.connection.has(name)

    async def select(self, path: str, deadline: Deadline) -> None:
        """Select a mailbox. Raises MailboxNotFound when the server has none of this name."""
        self.path = None
        try:
            selected = await self.run(Select(path), deadline)
        except ImapRefused as error:
            if error.response_code in _NOT_THERE:
                raise MailboxNotFound("The mailbox was not found") from error
            raise
        self.path = path
        self.exists = selected.exists
        # A number that cannot be one makes no ids (invariant I10).
        validity = selected.uid_validity
        self.uid_validity = validity if validity and is_uid_validity(validity) else 0

    def take_news(self, news: Unsolicited) -> None:
        """Keep the number of messages right while the mailbox stays selected."""
        if isinstance(news, Exists):
            self.exists = news.count
        elif isinstance(news, Expunged):
            self.exists = max(0, self.exists - 1)
        elif isinstance(news, Vanished) and not news.earlier:
            self.exists = max(0, self.exists - len(news.uids))


class CommandConnections:
    """The command connections of one account."""

    def __init__(self, open_one: Opening, clock: Clock, *, most: int = MOST_CONNECTIONS) -> None:
        self._open_one = open_one
        self._clock = clock
        self._lanes = Lanes(most)
        self._idle: list[Session] = []
        self._sweeper: asyncio.Task[None] | None = None
        self._is_closed = False
        # Uses under way, and those of them that wait for another to end.
        self._uses = 0
        self._waiting: list[asyncio.Future[None]] = []
        # Until then the server is believed to bear no further connection.
        self._full_until_s = 0.0

    @asynccontextmanager
    async def use(
        self,
        deadline: Deadline,
        path: str | None = None,
        *,
        is_followup: bool = False,
        lane: Lane = Lane.INTERACTIVE,
    ) -> AsyncIterator[Session]:
        """A connection of one's own for a short while, on `path` if given.

        A mailbox that is selected already is asked for news first, so that a message announced a
        moment ago is there; a `is_followup` of an earlier use does without.
        """
        if self._is_closed:
            raise ConnectionUnavailable("The account is being closed")
        await self._lanes.take(lane, deadline)
        self._uses += 1
        try:
            if self._is_closed:
                raise ConnectionUnavailable("The account is being closed")
            session = await self._ready(deadline, path, is_followup)
            try:
                yield session
            finally:
                await self._give_back(session)
        finally:
            self._uses -= 1
            self._lanes.release(lane)
            self._tell_waiting()

    async def close(self) -> None:
        """Close every idle connection; those in use close when they are given back."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        while self._idle:
            await self._idle.pop().connection.close()

    async def _ready(self, deadline: Deadline, path: str | None, is_followup: bool) -> Session:
        """An idle connection that still answers, else a new one.

        Where the server has enough of us, the other use is waited for.
        """
        while True:
            session = await self._kept(deadline, path, is_followup)
            if session is not None:
                return session
            if not (self._has_others and self._clock.steady_s() < self._full_until_s):
                try:
                    return await self._fresh(deadline, path)
                except ConnectFailed as error:
                    if not (self._has_others and is_complaint(error)):
                        raise _unreachable(error) from error
                    self._full_until_s = self._clock.steady_s() + CALM_S
            await self._somebody_done(deadline)

    @property
    def _has_others(self) -> bool:
        """Whether another use has a connection or is about to; two must not wait for each other."""
        return self._uses - 1 > len(self._waiting)

    async def _somebody_done(self, deadline: Deadline) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                await done
        except TimeoutError:
            raise DeadlineExceeded("Timeout: all connections are busy") from None
        finally:
            if done in self._waiting:
                self._waiting.remove(done)

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def _kept(
        self, deadline: Deadline, path: str | None, is_followup: bool
    ) -> Session | None:
        """An idle connection that still answers."""
        while (session := self._pick(path)) is not None:
            try:
                await _prepare(session, deadline, path, is_followup)
            except (ImapRefused, MailboxNotFound):
                await self._give_back(session)
                raise
            except PostroomError:
                await session.connection.close()
                if deadline.is_over:
                    raise
            except BaseException:
                await session.connection.close()
                raise
            else:
                return session
        return None

    async def _fresh(self, deadline: Deadline, path: str | None) -> Session:
        """A new connection. Raises ConnectFailed as it is: it may be a complaint."""
        try:
            connection = await self._open_one(deadline)
        except (DeadlineExceeded, ConnectFailed):
            raise
        except PostroomError as error:
            raise _unreachable(error) from error
        session = Session(connection, self._clock.steady_s())
        connection.on_unsolicited = session.take_news
        try:
            if path is not None:
                await session.select(path, deadline)
        except (ImapRefused, MailboxNotFound):
            await self._give_back(session)
            raise
        except BaseException:
            await connection.close()
            raise
        return session

    def _pick(self, path: str | None) -> Session | None:
        """The idle connection on the mailbox, else the one used last."""
        self._idle = [session for session in self._idle if session.connection.is_open]
        if not self._idle:
            return None
        chosen = next((one for one in self._idle if one.path == path), self._idle[-1])
        self._idle.remove(chosen)
        return chosen

    async def _give_back(self, session: Session) -> None:
        if self._is_closed or not session.connection.is_open:
            await session.connection.close()
            return
        session.used_s = self._clock.steady_s()
        self._idle.append(session)
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())

    async def _sweep(self) -> None:
        """Close what was idle for a minute; ends with the last connection."""
        while self._idle:
            await self._clock.sleep(IDLE_S / 2)
            limit = self._clock.steady_s() - IDLE_S
            # Closing takes a moment, in which others may be taken into use again.
            while session := next((one for one in self._idle if one.used_s <= limit), None):
                self._idle.remove(session)
                await session.connection.close()


def _unreachable(error: PostroomError) -> ConnectionUnavailable:
    return ConnectionUnavailable(
        "The mail server of the account cannot be reached", log={"cause": error.text}
    )


async def _prepare(
    session: Session, deadline: Deadline, path: str | None, is_followup: bool
) -> None:
    if path is not None and session.path != path:
        await session.select(path, deadline)
    elif not is_followup:
        await session.run(Noop(), deadline)
    if not session.connection.is_open:
        raise ConnectionClosing("The connection went away")
