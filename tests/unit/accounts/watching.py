"""An account under watch: a real store, a real mail server, and the event log to look into."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from postroom.accounts.holding import Equipment
from postroom.accounts.runner import AccountsRunner
from postroom.backoff import Backoff
from postroom.clock import Clock, SystemClock
from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer
from postroom.events.log import EventLog
from postroom.model.account import Account, AccountStatus, Credentials, ImapServer, TlsOptions
from postroom.model.event import Event
from postroom.model.secret import Secret
from postroom.providers.imap.watch import WatchLimits
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.store.mailboxes import Mailboxes
from postroom.store.settings import Settings
from postroom.store.wake import Wake

WORKER = "node-imap-test"
# Generous: machines are noisy, and nothing is proved by a quick answer.
PATIENCE_S = 30.0
# Retries as fast as a test wants them.
QUICK = WatchLimits(
    proof_s=0.05,
    busy_s=0.5,
    reconnect=Backoff(first_ms=50, factor=1.0),
    refused=Backoff(first_ms=50, factor=1.0),
)


def imap_account(name: str, user: str, port: int, password: str = "secret", **more: Any) -> Account:
    """An account on the loopback address; old mail is announced, too, unless told otherwise."""
    server = ImapServer(
        host="127.0.0.1",
        port=port,
        auth=Credentials(user=user, password=Secret(password)),
        tls=TlsOptions(reject_unauthorized=False),
        **more.pop("imap", {}),
    )
    return Account(account=name, imap=server, **more)


@dataclass
class World:
    """A worker with its store."""

    store: Store
    accounts: Accounts
    mailboxes: Mailboxes
    settings: Settings
    owners: Owners
    runner: AccountsRunner

    async def register(self, account: Account) -> None:
        await self.accounts.create(account, [])
        await self.owners.assign(account.account, WORKER)

    async def events(self, name: str) -> list[Event]:
        logged = await EventLog(self.store).read(partition_of(name), "0", 10_000)
        return [entry.event for entry in logged if entry.event.account == name]

    async def told(self, name: str, event: str) -> list[Event]:
        return [one for one in await self.events(name) if one.event == event]

    async def subjects(self, name: str) -> list[str]:
        return sorted(one.data["subject"] for one in await self.told(name, "messageNew"))

    async def status(self, name: str) -> AccountStatus:
        return (await self.accounts.get_with_status(name))[1]

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until the coroutine that `holds` makes gives something true."""
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                await asyncio.sleep(0.02)

    async def until_state(self, name: str, state: str) -> None:
        async def is_there() -> bool:
            return (await self.status(name)).state == state

        try:
            await self.until(is_there)
        except TimeoutError as error:
            raise AssertionError(f"not {state}: {await self.status(name)}") from error

    async def until_told(self, name: str, event: str, count: int = 1) -> list[Event]:
        async def is_told() -> bool:
            return len(await self.told(name, event)) >= count

        await self.until(is_told)
        return await self.told(name, event)

    async def sync(self, name: str) -> None:
        """Have a round made, and wait for its end."""
        before = (await self.status(name)).sync_time

        async def is_synced() -> bool:
            status = await self.status(name)
            return status.sync_time != before and status.state == "connected"

        self.watcher(name).request_sync()
        await self.until(is_synced)

    def watcher(self, name: str) -> Any:
        return self.runner._held[name]._watcher


@asynccontextmanager
async def world(
    store: Store, limits: WatchLimits = QUICK, clock: Clock | None = None, **more: Any
) -> AsyncIterator[World]:
    """A running worker; `more` is further equipment."""
    clock = clock or SystemClock()
    sealer = Sealer(None)
    accounts, mailboxes = Accounts(store, sealer, clock), Mailboxes(store)
    settings = Settings(store, sealer, clock)
    owners = Owners(store, Members(store, clock))
    wake = Wake(store, clock)
    equipment = Equipment(accounts, mailboxes, settings, clock, limits=limits, **more)
    runner = AccountsRunner(
        store, accounts, mailboxes, settings, owners, wake, clock, WORKER, equipment=equipment
    )
    tasks = [asyncio.create_task(wake.run()), asyncio.create_task(runner.run())]
    # A wake-up before the subscription stands would be lost.
    await asyncio.sleep(0.05)
    try:
        yield World(store, accounts, mailboxes, settings, owners, runner)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
