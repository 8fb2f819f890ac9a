"""A round: looking at every tracked mailbox of an account once.

Contract I2: on connect, then every `resyncDelay`. STATUS (or LIST-STATUS) tells which mailboxes
need a look; one that has not been compared for half an hour is looked at anyway. The main mailbox
comes first, is returned to whenever it tells news or has been left for some seconds, and is open in
the end, so a round over very many mailboxes does not make it deaf. When it refuses to open again
and again (see `history`), the next best takes its part. A mailbox is deleted only on proof: two
listings without it, and a STATUS that says so (I11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from postroom.errors import ConnectionUnavailable, PostroomError
from postroom.imap.commands.status import Status
from postroom.imap.errors import AnswerUnreadable, ImapRefused
from postroom.imap.types import ListedMailbox, MailboxStatus
from postroom.logs import get_logger
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.net.imap import ImapConnection
from postroom.providers.imap.beginnings import recorded_as_empty
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.hearing import moved
from postroom.providers.imap.hints import Hints
from postroom.providers.imap.history import History
from postroom.providers.imap.limits import MOST_PASSES, WatchLimits
from postroom.providers.imap.listing import (
    arrange,
    canonical,
    main_first,
    read_tree,
    recorded,
    tracked,
)
from postroom.providers.imap.passes import (
    News,
    Nonsense,
    is_full_due,
    is_same,
    is_unchanged,
)
from postroom.providers.imap.renaming import departed
from postroom.providers.imap.subconnections import (
    Subconnection,
    Subconnections,
    wanted_subconnections,
)
from postroom.providers.imap.sync import NotOpened, sync_mailbox

log = get_logger("providers.imap")

LIST_TIMEOUT_S = 120.0
STATUS_TIMEOUT_S = 30.0
# A sub-connection that takes longer over its mailbox sees to it by itself.
TURN_S = 1.0
# RFC 5530: what a server says of a mailbox that is not there; old servers give no code at all.
# Any other refusal (INUSE, UNAVAILABLE, SERVERBUG, ...) proves nothing.
_GONE = frozenset((None, "NONEXISTENT", "NOPERM"))


class Rounds:
    """The rounds over one connection; `main` is the mailbox to idle on."""

    def __init__(  # noqa: PLR0917  # called once, by the watcher
        self,
        desk: Desk,
        connection: ImapConnection,
        history: History,
        news: News,
        hints: Hints,
        limits: WatchLimits,
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._history = history
        self._news = news
        self._hints = hints
        self._limits = limits
        self._main: Mailbox | None = None
        self._main_known: Known | None = None
        # The mailbox that is selected now, and when the main one was last looked at.
        self._open: str | None = None
        self._main_s = 0.0
        # Whether the last round found a change in the main mailbox that nobody had told.
        self.is_surprised = False
        # Whether somebody asked for the round: it often follows what the person has just done, and
        # that nobody told of it yet is no wonder then.
        self.is_asked = False
        # Whether the last round had to leave mailboxes out.
        self.has_faults = False
        # Those of the account, if it wants any.
        self.subconnections: Subconnections | None = None
        # Whether there are tracked mailboxes beside the main one.
        self.has_others = False

    @property
    def needs_proof(self) -> bool:
        """Whether a mailbox was missing from the last listing: list again soon (I11)."""
        return self._history.absences.is_pending

    async def run(self) -> None:
        """Look at every tracked mailbox; the main one is open afterwards."""
        desk = self._desk
        if not desk.poison.is_loaded:
            desk.poison.load(await desk.mailboxes.trials(desk.account.account))
        started_ms = desk.clock.now_ms()
        self.has_faults, was_told = False, bool(self._news)
        listed = await self._list()
        cursors = await desk.mailboxes.cursors(desk.account.account)
        await self._bury(cursors, listed)
        desk.departed = departed(cursors, {canonical(entry.path) for entry in listed})
        mailboxes = self._tracked(listed)
        statuses = {canonical(entry.path): entry.status for entry in listed if entry.status}
        self.has_others = len(mailboxes) > 1
        was_open, self._main = self._open, self._choose_main(mailboxes, statuses)
        await self._take_over(self._main)
        found = await self.look_at_main(statuses.get(self._main.path) if self._main else None)
        is_new = found and not was_told and not self.is_asked
        self.is_surprised = is_new and self._is_main(was_open)
        unverified = []
        for mailbox in mailboxes:
            path = mailbox.path
            if self._is_main(path):
                continue
            if not await self._visit(mailbox, cursors.get(path), statuses.get(path)):
                unverified.append(path)
            await self._serve_main()
        desk.departed = ()
        await self._return_to_main()
        await self._follow_subconnections(mailboxes)
        self._history.ended(started_ms, unverified, [mailbox.path for mailbox in mailboxes])

    async def look_at_main(self, status: MailboxStatus | None = None) -> bool:
        """One pass over the main mailbox, which stays open; whether messages came or went.

        `status` are its counters, if they are known: a refusal is remembered with them.
        """
        main = self._main
        if main is None:
            return False
        # What memory knows holds only as long as every pass ends well.
        known, self._main_known = self._main_known, None
        # The main mailbox may be another one than in the last round.
        if known is None or known.cursor.path != main.path:
            cursor = await self._desk.mailboxes.cursor(self._desk.account.account, main.path)
            known = await self._desk.load(cursor) if cursor else None
        has_been_seen = known is not None
        try:
            known = await self._sync(main, known)
        except (ImapRefused, Nonsense, AnswerUnreadable) as error:
            self._history.refused(main.path, status, self._desk.clock.steady_s())
            await self._desk.recorder.not_synced(main.path, error.text)
            raise ConnectionUnavailable(
                "The main mailbox cannot be opened", log={"response": error.text}
            ) from error
        self._history.opened(main.path, None)
        self._main_known, self._main_s = known, self._desk.clock.steady_s()
        return has_been_seen and moved(known) > 0

    async def _take_over(self, mailbox: Mailbox | None) -> None:
        """From now on this connection looks at the mailbox, and no other."""
        if self.subconnections is not None and mailbox is not None:
            await self.subconnections.leave(mailbox.path)

    async def _follow_subconnections(self, mailboxes: Sequence[Mailbox]) -> None:
        if self.subconnections is not None:
            named = self._desk.account.subconnections
            wanted = wanted_subconnections(mailboxes, self._main, named, is_gmail=self._is_gmail)
            await self.subconnections.follow(wanted)

    def _subconnection(self, path: str) -> Subconnection | None:
        return self.subconnections.of(path) if self.subconnections is not None else None

    async def follow(self) -> bool:
        """Look at the mailboxes that the server gave hints of; whether it takes a round, too."""
        hints = self._hints
        needs_round, hints.needs_round = hints.needs_round, False
        # What comes meanwhile is for the next time, at the pace of the caller.
        names, hints.names = hints.names, {}
        statuses, hints.statuses = hints.statuses, {}
        for path, is_there in names.items():
            cursor = await self._desk.mailboxes.cursor(self._desk.account.account, path)
            needs_round |= is_there != (cursor is not None) and self._could_be_tracked(path)
        for path, status in statuses.items():
            needs_round |= not await self._follow_one(path, status)
            await self._serve_main()
        await self._return_to_main()
        for path in statuses:
            await self._look_back(path)
        return needs_round

    async def _look_back(self, path: str) -> None:
        """Nobody tells of a change in a mailbox that was open, but looked at already: ask."""
        own, name = self._subconnection(path), self._desk.account.account
        if self._is_main(path) or (own is not None and own.is_live):
            return
        cursor = await self._desk.mailboxes.cursor(name, path)
        status = await self._status(path) if cursor is not None else None
        if cursor and status and not self._can_skip(cursor, status, self._desk.clock.now_ms()):
            self._hints.statuses.setdefault(path, status)

    async def _follow_one(self, path: str, status: MailboxStatus) -> bool:
        """Look at one mailbox with these counters; False when a round has to find out about it."""
        cursor = await self._desk.mailboxes.cursor(self._desk.account.account, path)
        if cursor is None:
            return not self._could_be_tracked(path)
        mailbox, own = recorded(cursor), self._subconnection(path)
        if own is not None and own.is_live:
            return True
        if self._is_main(path):
            if not self._can_skip(cursor, status, self._desk.clock.now_ms()):
                await self.look_at_main()
        elif tracked((mailbox,), self._desk.account.path):
            await self._visit(mailbox, cursor, status)
        return True

    def _could_be_tracked(self, path: str) -> bool:
        """Whether a mailbox of this name may concern us; one that does not open is for rounds."""
        unknown = Mailbox(path=path, name=path)
        is_wanted = tracked((unknown,), self._desk.account.path)
        return bool(is_wanted) and path not in self._history.refusals

    async def _serve_main(self) -> None:
        """Between visits: back to the main mailbox when there are news or it was left for long."""
        main = self._main
        if main is None:
            return
        is_left = not self._is_main(self._open)
        away_s = self._desk.clock.steady_s() - self._main_s
        is_told = main.path in self._hints.statuses if is_left else bool(self._news)
        if is_told or (is_left and away_s >= self._limits.return_s):
            self._hints.statuses.pop(main.path, None)
            await self.look_at_main()

    async def _return_to_main(self) -> None:
        if self._news or not self._is_main(self._open):
            await self.look_at_main()

    def _choose_main(
        self, mailboxes: Sequence[Mailbox], statuses: Mapping[str, MailboxStatus]
    ) -> Mailbox | None:
        """Contract I1; a mailbox that refuses to open is passed over where there is another."""
        candidates = main_first(mailboxes, is_gmail=self._is_gmail)
        now_s, resting = self._desk.clock.steady_s(), self._history.is_resting
        awake = (one for one in candidates if not resting(one.path, statuses.get(one.path), now_s))
        return next(awake, candidates[0] if candidates else None)

    @property
    def _is_gmail(self) -> bool:
        return self._connection.has("X-GM-EXT-1")

    async def _list(self) -> tuple[ListedMailbox, ...]:
        connection = self._connection
        items = self._status_items() if connection.has("LIST-STATUS") else ()
        deadline = self._desk.deadline(LIST_TIMEOUT_S)
        listed = await read_tree(connection, deadline, items, subscribed=False)
        if not listed:
            # Contract I9: an empty LIST is a server fault.
            raise ConnectionUnavailable("The server lists no mailboxes")
        return listed

    def _status_items(self) -> tuple[str, ...]:
        items = ("MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY")
        return (*items, "HIGHESTMODSEQ") if self._connection.has("CONDSTORE") else items

    def _tracked(self, listed: Sequence[ListedMailbox]) -> tuple[Mailbox, ...]:
        account = self._desk.account
        mailboxes = arrange(listed, account.imap)
        return tracked(mailboxes, account.path, is_gmail=self._is_gmail)

    async def _bury(
        self, cursors: Mapping[str, MailboxCursor], listed: Sequence[ListedMailbox]
    ) -> None:
        """Forget and announce the mailboxes that are gone for sure."""
        gone = self._history.absences.observe(cursors, [entry.path for entry in listed])
        for path in sorted(gone):
            if await self._is_gone(path):
                await self._take_over(recorded(cursors[path]))
                await self._desk.recorder.mailbox_deleted(cursors[path])
                self._history.looked.pop(path, None)

    async def _visit(
        self, mailbox: Mailbox, cursor: MailboxCursor | None, status: MailboxStatus | None
    ) -> bool:
        """Look at one mailbox of the round, if it needs it; its refusal stops nothing else.

        Whether this proved its index equal to the server.
        """
        own = self._subconnection(mailbox.path)
        if own is None:
            return await self._look_at(mailbox, cursor, status) is not None
        try:
            async with asyncio.timeout(TURN_S):
                await own.turn.acquire()
        except TimeoutError:
            return False
        try:
            # The sub-connection may have recorded something since the round began.
            name = self._desk.account.account
            cursor = await self._desk.mailboxes.cursor(name, mailbox.path)
            found = await self._look_at(mailbox, cursor, status)
        finally:
            own.turn.release()
        if found and not self.is_asked:
            own.missed()
        return found is not None

    async def _look_at(
        self, mailbox: Mailbox, cursor: MailboxCursor | None, status: MailboxStatus | None
    ) -> int | None:
        """How many messages came or went; None when the mailbox had to be left out."""
        path = mailbox.path
        if status is None and (cursor is not None or path in self._history.refusals):
            status = await self._status(path)
        clock = self._desk.clock
        if self._history.is_resting(path, status, clock.steady_s()):
            self.has_faults = True
            return None
        if cursor and status and self._can_skip(cursor, status, clock.now_ms()):
            return 0
        if not cursor and status and await recorded_as_empty(self._desk, mailbox, status):
            return 0
        try:
            known = await self._desk.load(cursor) if cursor is not None else None
            known = await self._sync_until_quiet(mailbox, known)
        except NotOpened as error:
            # Counted as a refusal: the next connection passes the mailbox over when it is to blame.
            self._history.refused(path, status, clock.steady_s())
            if self._history.is_resting(path, status, clock.steady_s()):
                await self._left_out(path, error)
            raise
        except (ImapRefused, Nonsense, AnswerUnreadable) as error:
            if isinstance(error, ImapRefused):
                self._history.refused(path, status, clock.steady_s())
            await self._left_out(path, error)
            return None
        is_proved = status is None or is_unchanged(known.cursor, status, clock.now_ms())
        self._history.opened(path, None if is_proved else status)
        return moved(known)

    async def _left_out(self, path: str, error: PostroomError) -> None:
        self.has_faults = True
        is_refused = isinstance(error, ImapRefused | NotOpened)
        kind = "mailbox.refused" if is_refused else "mailbox.nonsense"
        log.warning(kind, account=self._desk.account.account, path=path, reason=error.text)
        await self._desk.recorder.not_synced(path, error.text)

    def _can_skip(self, cursor: MailboxCursor, status: MailboxStatus, now_ms: int) -> bool:
        if is_full_due(cursor, now_ms) or self._desk.is_outdated(cursor):
            return False
        looked = self._history.looked.get(cursor.path)
        return is_unchanged(cursor, status, now_ms) or is_same(looked, status)

    def _is_main(self, path: str | None) -> bool:
        return self._main is not None and path == self._main.path

    async def _sync_until_quiet(self, mailbox: Mailbox, known: Known | None) -> Known:
        """Passes until the mailbox was quiet during one; what was heard before is not about it."""
        self._news.take()
        known = await self._sync(mailbox, known)
        for _ in range(MOST_PASSES):
            if not self._news:
                break
            known = await self._sync(mailbox, known)
        return known

    async def _sync(self, mailbox: Mailbox, known: Known | None) -> Known:
        self._open = None
        known = await sync_mailbox(self._desk, self._connection, mailbox, known, self._news)
        self._open = mailbox.path
        return known

    async def _status(self, path: str) -> MailboxStatus | None:
        """The counters of a mailbox; None when the server refuses them."""
        try:
            return await self._ask_status(path)
        except ImapRefused:
            return None

    async def _is_gone(self, path: str) -> bool:
        try:
            await self._ask_status(path)
        except ImapRefused as error:
            # A command that was not even understood says nothing of the mailbox.
            return not error.is_bad and error.response_code in _GONE
        return False

    async def _ask_status(self, path: str) -> MailboxStatus:
        command = Status(path, self._status_items())
        return await self._connection.run(command, self._desk.deadline(STATUS_TIMEOUT_S))
