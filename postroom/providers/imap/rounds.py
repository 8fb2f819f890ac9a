"""A round: looking at every tracked mailbox of an account once.

Contract I2: on connect, then every `resyncDelay`. STATUS (or LIST-STATUS) tells which mailboxes
need a look; one that has not been compared for half an hour is looked at anyway. A mailbox that
refuses to open three times in a row is left alone for six hours or until its counters change
(contract I9). A mailbox is deleted only on proof: two listings without it, and a STATUS refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postroom.errors import ConnectionUnavailable
from postroom.imap.commands.status import Status
from postroom.imap.errors import ImapRefused
from postroom.imap.types import ListedMailbox, MailboxStatus
from postroom.logs import get_logger
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.listing import Absences, arrange, canonical, read_tree, tracked
from postroom.providers.imap.passes import (
    News,
    Nonsense,
    is_full_due,
    is_same,
    is_unchanged,
)
from postroom.providers.imap.sync import sync_mailbox

log = get_logger("providers.imap")

LIST_TIMEOUT_S = 120.0
STATUS_TIMEOUT_S = 30.0
# Contract I9.
REFUSALS = 3
REFUSED_REST_MS = 6 * 3600 * 1000
# A mailbox that never holds still is left for the next round after so many passes (I8).
MOST_PASSES = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """How often a mailbox refused to open in a row, when last, and its counters then."""

    count: int
    at_ms: int
    status: MailboxStatus | None


class History:
    """What rounds remember of each mailbox while the watcher lives, across connections."""

    def __init__(self) -> None:
        self.absences = Absences()
        self.looked: dict[str, MailboxStatus] = {}
        self.refusals: dict[str, Refusal] = {}

    def is_resting(self, path: str, status: MailboxStatus | None, now_ms: int) -> bool:
        """Whether a mailbox that refused too often is left alone."""
        refusal = self.refusals.get(path)
        if refusal is None or refusal.count < REFUSALS:
            return False
        return now_ms - refusal.at_ms < REFUSED_REST_MS and refusal.status == status

    def refused(self, path: str, status: MailboxStatus | None, now_ms: int) -> None:
        """Count a refusal."""
        before = self.refusals.get(path)
        self.refusals[path] = Refusal(before.count + 1 if before else 1, now_ms, status)

    def opened(self, path: str, status: MailboxStatus | None) -> None:
        """A look ended well; `status` was taken before it."""
        self.refusals.pop(path, None)
        if status is not None:
            self.looked[path] = status


class Rounds:
    """The rounds over one connection; `main` is the mailbox to idle on."""

    def __init__(
        self, desk: Desk, connection: ImapConnection, history: History, news: News
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._history = history
        self._news = news
        self._main: Mailbox | None = None
        self._main_known: Known | None = None

    @property
    def needs_proof(self) -> bool:
        """Whether a mailbox was missing from the last listing: list again soon (I11)."""
        return self._history.absences.is_pending

    async def run(self) -> None:
        """Look at every tracked mailbox; the main one is open afterwards."""
        poison = self._desk.poison
        if not poison.is_loaded:
            poison.load(await self._desk.mailboxes.trials(self._desk.account.account))
        listed = await self._list()
        cursors = await self._desk.mailboxes.cursors(self._desk.account.account)
        await self._bury(cursors, listed)
        mailboxes = self._tracked(listed)
        self._main = _main_of(mailboxes)
        statuses = {canonical(entry.path): entry.status for entry in listed if entry.status}
        for mailbox in mailboxes:
            cursor = cursors.get(mailbox.path)
            # The main mailbox comes last, and first as well when it was never seen.
            if cursor is None or not cursor.is_complete or not self._is_main(mailbox):
                await self._visit(mailbox, cursor, statuses.get(mailbox.path))
        await self.look_at_main()

    async def look_at_main(self) -> None:
        """One pass over the main mailbox, which stays open."""
        main = self._main
        if main is None:
            return
        # What memory knows holds only as long as every pass ends well.
        known, self._main_known = self._main_known, None
        try:
            # The main mailbox may be another one than in the last round.
            if known is None or known.cursor.path != main.path:
                cursors = await self._desk.mailboxes.cursors(self._desk.account.account)
                cursor = cursors.get(main.path)
                known = await self._desk.load(cursor) if cursor else None
            self._main_known = await sync_mailbox(
                self._desk, self._connection, main, known, self._news
            )
        except ImapRefused as error:
            raise ConnectionUnavailable(
                "The main mailbox cannot be opened", log={"response": error.text}
            ) from error

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
        return tracked(arrange(listed, account.imap), account.path)

    async def _bury(
        self, cursors: Mapping[str, MailboxCursor], listed: Sequence[ListedMailbox]
    ) -> None:
        """Forget and announce the mailboxes that are gone for sure."""
        gone = self._history.absences.observe(cursors, [entry.path for entry in listed])
        for path in sorted(gone):
            if await self._status(path) is None:
                await self._desk.recorder.mailbox_deleted(cursors[path])
                self._history.looked.pop(path, None)

    async def _visit(
        self, mailbox: Mailbox, cursor: MailboxCursor | None, status: MailboxStatus | None
    ) -> None:
        """Look at one mailbox of the round, if it needs it; its refusal stops nothing else."""
        path = mailbox.path
        if status is None and cursor is not None and not self._is_main(mailbox):
            status = await self._status(path)
        now_ms = self._desk.clock.now_ms()
        if self._history.is_resting(path, status, now_ms):
            return
        if cursor is not None and status is not None and self._can_skip(cursor, status, now_ms):
            return
        try:
            known = await self._desk.load(cursor) if cursor is not None else None
            known = await self._sync(mailbox, known)
        except ImapRefused as error:
            self._history.refused(path, status, now_ms)
            log.warning("mailbox.refused", account=self._desk.account.account, reason=error.text)
        except Nonsense as error:
            log.warning("mailbox.nonsense", account=self._desk.account.account, reason=error.text)
        else:
            self._history.opened(path, status)
            if self._is_main(mailbox):
                self._main_known = known

    def _can_skip(self, cursor: MailboxCursor, status: MailboxStatus, now_ms: int) -> bool:
        if is_full_due(cursor, now_ms):
            return False
        looked = self._history.looked.get(cursor.path)
        return is_unchanged(cursor, status, now_ms) or is_same(looked, status)

    def _is_main(self, mailbox: Mailbox) -> bool:
        return self._main is not None and mailbox.path == self._main.path

    async def _sync(self, mailbox: Mailbox, known: Known | None) -> Known:
        """Passes until the mailbox was quiet during one; what was heard before is not about it."""
        self._news.take()
        known = await sync_mailbox(self._desk, self._connection, mailbox, known, self._news)
        for _ in range(MOST_PASSES):
            if not self._news:
                break
            known = await sync_mailbox(self._desk, self._connection, mailbox, known, self._news)
        return known

    async def _status(self, path: str) -> MailboxStatus | None:
        """The counters of a mailbox; None when the server refuses them."""
        command = Status(path, self._status_items())
        try:
            return await self._connection.run(command, self._desk.deadline(STATUS_TIMEOUT_S))
        except ImapRefused:
            return None


def _main_of(mailboxes: Sequence[Mailbox]) -> Mailbox | None:
    """INBOX, or the first tracked mailbox where INBOX is not tracked (contract I1)."""
    inbox = next((mailbox for mailbox in mailboxes if mailbox.path == "INBOX"), None)
    return inbox or (mailboxes[0] if mailboxes else None)
