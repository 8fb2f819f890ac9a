"""Connections of their own for mailboxes that the account names (contract I3).

Each listens on one mailbox, so that its changes are announced as fast as those of the main one.
They belong to the account's connection: started when that one has made its first round, ended with
it. The failure of one is not an error of the account; it has a back-off of its own. Rounds look at
its mailbox as at any other, so nothing depends on it. Two connections never work on one mailbox at
once: whoever looks at it holds its turn, and reads what is recorded when the turn has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from postroom.clock import Clock
from postroom.errors import AuthenticationRefused, Fenced, PostroomError
from postroom.imap.types import Unsolicited
from postroom.logs import get_logger
from postroom.model.mailbox import Mailbox
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk
from postroom.providers.imap.hearing import Ear, Hearing, is_cancelled, moved, pause
from postroom.providers.imap.limits import MOST_PASSES, SETTLED_S, WatchLimits
from postroom.providers.imap.listing import find
from postroom.providers.imap.passes import News
from postroom.providers.imap.sync import sync_mailbox

log = get_logger("providers.imap")

# No server gives one person more (Gmail 15, most hosts 10 to 50).
MOST_SUBCONNECTIONS = 50
# On Gmail every other mailbox is a part of All Mail.
_GMAIL_OWN = frozenset(("\\Trash", "\\Junk"))

Hear = Callable[[Unsolicited], None]
Opening = Callable[[Hear], Awaitable[ImapConnection]]


class Subconnections:
    """The sub-connections of one account."""

    def __init__(self, desk: Desk, open_one: Opening, limits: WatchLimits) -> None:
        self._desk = desk
        self._open_one = open_one
        self._limits = limits
        self._running: dict[str, Subconnection] = {}

    async def follow(self, mailboxes: Sequence[Mailbox]) -> None:
        """Have sub-connections for these mailboxes and no others."""
        wanted = {mailbox.path: mailbox for mailbox in mailboxes}
        await self._leave([path for path in self._running if path not in wanted])
        for path, mailbox in wanted.items():
            if path not in self._running:
                self._running[path] = Subconnection(
                    self._desk, mailbox, self._open_one, self._limits, self._tell
                )

    async def leave(self, path: str) -> None:
        """End the sub-connection of a mailbox, if there is one: somebody else takes it over."""
        await self._leave([path] if path in self._running else [])

    def of(self, path: str) -> Subconnection | None:
        """The sub-connection of a mailbox."""
        return self._running.get(path)

    async def close(self) -> None:
        """End all of them."""
        await self._end(list(self._running))

    async def _leave(self, paths: Sequence[str]) -> None:
        were_live = any(self._running[path].is_live for path in paths)
        await self._end(paths)
        if were_live:
            await self._tell()

    async def _end(self, paths: Iterable[str]) -> None:
        ended = [self._running.pop(path) for path in paths]
        for one in ended:
            one.task.cancel()
        if ended:
            await asyncio.wait([one.task for one in ended])

    async def _tell(self) -> None:
        """Show how many connections the account has."""
        live = sum(one.is_live for one in self._running.values())
        await self._desk.recorder.connected(1 + live)


class Subconnection:
    """One mailbox's own connection, in a task of its own."""

    def __init__(
        self,
        desk: Desk,
        mailbox: Mailbox,
        open_one: Opening,
        limits: WatchLimits,
        tell: Callable[[], Awaitable[None]],
    ) -> None:
        # Held by whoever looks at the mailbox.
        self.turn = asyncio.Lock()
        # Whether the connection stands and has brought the mailbox up to date.
        self.is_live = False
        self._desk = desk
        self._mailbox = mailbox
        self._open_one = open_one
        self._limits = limits
        self._tell = tell
        self._clock: Clock = desk.clock
        self._news = News()
        self._ear = Ear()
        self._wake = Bell()
        self._attempt = 0
        self.task = asyncio.create_task(self._run())

    def missed(self) -> None:
        """A round found what this connection should have been told: it is trusted no more."""
        if self.is_live and not self._news and not self._ear.is_deaf:
            self._ear.is_deaf = True
            # What it waits for may be long in coming; from now on it polls.
            self._wake.set()

    async def _run(self) -> None:
        """Listen until cancelled or fenced off."""
        while True:
            backoff = self._limits.reconnect
            try:
                await self._session()
            except Fenced:
                return
            except asyncio.CancelledError:
                pass
            except AuthenticationRefused as error:
                backoff = self._limits.refused
                self._note(error)
            except PostroomError as error:
                self._note(error)
            except Exception:  # one mailbox's bug must not end the others
                log.exception("subconnection.crashed", account=self._desk.account.account)
            if is_cancelled():
                raise asyncio.CancelledError
            self._attempt += 1
            await self._clock.sleep(backoff.delay_ms(self._attempt) / 1000)

    def _note(self, error: PostroomError) -> None:
        name, path = self._desk.account.account, self._mailbox.path
        log.info(
            "subconnection.ended",
            account=name,
            path=path,
            code=error.public_code,
            reason=error.text,
        )

    async def _session(self) -> None:
        """One connection from its first byte to its last."""
        self._news = News()
        connection = await self._open_one(self._hear)
        started_s = self._clock.steady_s()
        try:
            await self._watch(connection)
        finally:
            was_live, self.is_live = self.is_live, False
            # The same rule as for the account's own connection (contract I8).
            if was_live and self._clock.steady_s() - started_s >= SETTLED_S:
                self._attempt = 0
            await connection.close()

    async def _watch(self, connection: ImapConnection) -> None:
        """Passes and rest, until the connection ends."""
        hearing = Hearing(self._desk, connection, self._limits, self._ear, self._news)
        await self._look(connection)
        self.is_live = True
        try:
            await self._tell()
            await self._listen(connection, hearing)
        except PostroomError:
            self.is_live = False
            await self._tell()
            raise

    async def _listen(self, connection: ImapConnection, hearing: Hearing) -> None:
        passes = 0
        while True:
            self._wake.clear()
            if self._news:
                passes += 1
                if passes > MOST_PASSES:
                    await pause(self._clock, self._wake, self._limits.pace_s)
                await self._look(connection)
            else:
                passes = 0
                has_to_look = await hearing.listen(self._wake, self._limits.idle_s)
                if has_to_look and await self._look(connection):
                    hearing.missed()

    async def _look(self, connection: ImapConnection) -> bool:
        """One pass over the mailbox; whether messages came or went that had not been told."""
        was_told = bool(self._news)
        async with self.turn:
            desk, path = self._desk, self._mailbox.path
            cursor = await desk.mailboxes.cursor(desk.account.account, path)
            known = await desk.load(cursor) if cursor is not None else None
            after = await sync_mailbox(desk, connection, self._mailbox, known, self._news)
        return moved(after) > 0 and not was_told

    def _hear(self, told: Unsolicited) -> None:
        if self._news.hear(told):
            self._wake.set()


def wanted_subconnections(
    tracked: Sequence[Mailbox], main: Mailbox | None, named: Sequence[str], *, is_gmail: bool
) -> tuple[Mailbox, ...]:
    """Which of the named mailboxes get a connection: tracked ones, not the main one, each once.

    A name is a path or a special-use flag; one that the server does not have is left out.
    """
    found = [find(tracked, name) for name in named]
    chosen = {
        mailbox.path: mailbox
        for mailbox in found
        if mailbox is not None
        and mailbox != main
        and (not is_gmail or mailbox.special_use in _GMAIL_OWN)
    }
    return tuple(chosen.values())[:MOST_SUBCONNECTIONS]
