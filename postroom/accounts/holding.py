"""One account that this worker holds: its watcher's task, its recorder, its answering.

What may differ between providers is built here from the table of `providers.table`; the runner
knows holdings only. A holding never lets a failure out: its loop logs it, waits and starts a new
watcher (invariants I2, I3). Only losing the account to another worker ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from postroom.accounts.recorder import REFUSED_WINDOW_MS, AccountRecorder
from postroom.accounts.states import NoTransition
from postroom.backoff import RESTART
from postroom.clock import Clock, Deadline
from postroom.errors import Fenced, PostroomError, StoreUnavailable
from postroom.logs import get_logger
from postroom.model.account import Account, AccountStatus
from postroom.model.owner import Owner
from postroom.net.imap import ImapConnection
from postroom.providers.imap.announce import NewMail
from postroom.providers.imap.answering import ImapAnswering
from postroom.providers.imap.budget import ConnectBudget
from postroom.providers.imap.connect import Use, connect, read_options
from postroom.providers.imap.desk import FETCH_BATCH_SIZE, Desk
from postroom.providers.imap.hearing import is_cancelled
from postroom.providers.imap.logbook import LogBook
from postroom.providers.imap.watch import ImapWatcher, WatchLimits
from postroom.providers.interface import Answering
from postroom.providers.roads import MailRules
from postroom.providers.table import Provider, provider_of
from postroom.store.accounts import Accounts
from postroom.store.mailboxes import Mailboxes
from postroom.store.settings import Settings

log = get_logger("accounts")


@dataclass(frozen=True, slots=True)
class Equipment:
    """What every holding of a worker works with."""

    accounts: Accounts
    mailboxes: Mailboxes
    settings: Settings
    clock: Clock
    budget: ConnectBudget = field(default_factory=ConnectBudget)
    limits: WatchLimits = field(default_factory=WatchLimits)
    refused_window_ms: int = REFUSED_WINDOW_MS
    rules: MailRules = MailRules()
    logbook: LogBook | None = None
    fetch_batch_size: int = FETCH_BATCH_SIZE


class Holding:
    """One held account; `start` once, `stop` once."""

    def __init__(
        self,
        account: Account,
        status: AccountStatus,
        owner: Owner,
        revision: int,
        equipment: Equipment,
    ) -> None:
        self.account = account
        self.owner = owner
        self.revision = revision
        self._answering: ImapAnswering | None = None
        # Another worker turned out to own the account; the runner will see it, too.
        self.is_lost = False
        self._is_taken = False
        self._equipment = equipment
        self._recorder = AccountRecorder(
            account.account,
            owner,
            status,
            accounts=equipment.accounts,
            mailboxes=equipment.mailboxes,
            clock=equipment.clock,
            refused_window_ms=equipment.refused_window_ms,
        )
        self._desk = Desk(
            account=account,
            mailboxes=equipment.mailboxes,
            recorder=self._recorder,
            clock=equipment.clock,
            new_mail=NewMail(equipment.settings, equipment.clock),
            has_synced=status.sync_time is not None,
            fetch_batch_size=equipment.fetch_batch_size,
        )
        self._watcher: ImapWatcher | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin watching."""
        if provider_of(self.account) is Provider.IMAP:
            self._watcher = self._new_watcher()
        self._task = asyncio.create_task(self._keep())

    @property
    def answering(self) -> Answering | None:
        """Who answers for the account, made when it is first asked; None without a mailbox."""
        if self._answering is None and self._watcher is not None:
            self._answering = self._new_answering(self._watcher)
        return self._answering

    async def stop(self) -> None:
        """End the watcher and the answering; nothing of the account is touched afterwards."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._answering is not None:
            await self._answering.close()

    def takes(self, account: Account, revision: int) -> bool:
        """Take over a changed record that needs no new connection; False when it needs one."""
        if _connection_data(account) != _connection_data(self.account):
            return False
        self.account = self._desk.account = account
        self.revision = revision
        return True

    async def _keep(self) -> None:
        """Watch for ever; a crash of the watcher is logged and waited for."""
        attempt = 0
        while True:
            try:
                await self._watch_once()
                return
            except Fenced:
                log.info("account.fenced", account=self.account.account)
                self.is_lost = True
                return
            except StoreUnavailable:
                attempt += 1
            except Exception as error:  # one account's bug must not end the others
                attempt += 1
                log.exception("account.crashed", account=self.account.account, attempt=attempt)
                await self._tell(error)
            # A failure of its ending must not hide that it was told to end: whoever holds the
            # account next would share it with this one.
            if is_cancelled():
                raise asyncio.CancelledError
            await self._equipment.clock.sleep(RESTART.delay_ms(attempt) / 1000)

    async def _watch_once(self) -> None:
        if self._watcher is None:
            await self._recorder.emptied()
            return
        if not self._is_taken:
            await self._recorder.taken()
            self._is_taken = True
        await self._watcher.run()

    async def _tell(self, error: Exception) -> None:
        """Show the crash as the account's state; the next attempt finds out what hinders that."""
        with contextlib.suppress(PostroomError, NoTransition):
            await self._recorder.failed(error)

    def _new_watcher(self) -> ImapWatcher:
        equipment = self._equipment
        return ImapWatcher(
            self._desk,
            lambda: read_options(equipment.settings, equipment.rules, equipment.logbook),
            equipment.budget,
            equipment.limits,
        )

    def _new_answering(self, watcher: ImapWatcher) -> ImapAnswering:
        equipment = self._equipment

        async def open_connection(deadline: Deadline) -> ImapConnection:
            server = self.account.imap
            host = server.host if server is not None else None
            options = await read_options(equipment.settings, equipment.rules, equipment.logbook)
            async with equipment.budget.turn(host or "", deadline, is_urgent=True):
                return await connect(
                    self.account,
                    clock=equipment.clock,
                    deadline=deadline,
                    options=options,
                    use=Use.ANSWERING,
                )

        return ImapAnswering(
            self.account,
            equipment.mailboxes,
            equipment.clock,
            open_connection=open_connection,
            watcher=watcher,
            chunk_bytes=equipment.rules.chunk_bytes,
        )


def _connection_data(account: Account) -> tuple[object, ...]:
    """What a live connection depends on (contract J8)."""
    return (
        account.imap,
        account.oauth2,
        account.path,
        account.subconnections,
        account.proxy,
        account.notify_from,
        account.imap_indexer,
        account.flushed_ms,
        # A log that was switched off is written no longer.
        account.logs,
    )
