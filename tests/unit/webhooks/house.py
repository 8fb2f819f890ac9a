"""A webhooks worker in pieces, on the real store: tests say when each piece works."""

from __future__ import annotations

from typing import Any

from postroom.clock import Clock
from postroom.crypto import Sealer
from postroom.events.emit import prepare
from postroom.events.log import EventLog
from postroom.model.account import Account, CustomHeader
from postroom.model.event import EventDraft, EventType
from postroom.net.egress import EgressPolicy
from postroom.net.http import HttpClient
from postroom.queue.schedule import NOTIFY, Schedule
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.keys import PARTITIONS, partition_of
from postroom.store.lanes import Lanes, lane_id
from postroom.store.settings import Settings
from postroom.store.wake import Wake, wake
from postroom.webhooks.deliver import Courier
from postroom.webhooks.dispatch import Dispatcher
from postroom.webhooks.lanes import LaneServer, LaneServices
from postroom.webhooks.receivers import Receivers

LEASE_MS = 60_000
SECRET = "service secret"


class House:
    """Everything between the event log and the receiver."""

    def __init__(self, store: Store, clock: Clock, timeout_s: float = 10.0) -> None:
        self.store = store
        self.clock = clock
        sealer = Sealer(None)
        self.accounts = Accounts(store, sealer, clock)
        self.settings = Settings(store, sealer, clock)
        self.wake = Wake(store, clock)
        self.http = HttpClient(EgressPolicy.LINK_LOCAL)
        self.log = EventLog(store)
        self.lanes = Lanes(store, clock, LEASE_MS)
        self.schedule = Schedule(store, clock, NOTIFY, LEASE_MS, holder="w1")
        self.dispatcher = Dispatcher(self.lanes, self.accounts, self.settings, self.wake, clock)
        self.server = LaneServer(
            LaneServices(
                lanes=self.lanes,
                schedule=self.schedule,
                accounts=self.accounts,
                settings=self.settings,
                courier=Courier(self.http, clock, timeout_s),
                receivers=Receivers(clock, 1),
                clock=clock,
            )
        )

    async def set_up(self, url: str | None, **settings: Any) -> None:
        """Webhooks on, all events, to `url`."""
        values = {
            "webhooksEnabled": True,
            "webhooks": url,
            "webhookEvents": ["*"],
            "serviceSecret": SECRET,
        }
        await self.settings.put(values | settings)

    async def register(
        self, name: str, url: str | None = None, headers: tuple[CustomHeader, ...] = ()
    ) -> None:
        account = Account(account=name, webhooks=url, webhooks_custom_headers=headers)
        await self.accounts.create(account, [])

    async def emit(self, account: str, *drafts: EventDraft) -> list[str]:
        """Log events and wake the dispatcher; their event ids."""
        events = prepare(account, drafts, self.clock.now_ms())
        key = self.store.keys.of(account, "events")
        await self.store.batch(
            [
                (
                    "XADD",
                    key,
                    "*",
                    "a",
                    account,
                    "e",
                    one.event,
                    "i",
                    one.event_id,
                    "p",
                    one.payload,
                )
                for one in events
            ]
        )
        await wake(self.store, f"events:{partition_of(account):02d}")
        return [one.event_id for one in events]

    async def emit_new(self, account: str, count: int) -> list[str]:
        """`count` messageNew events; their event ids."""
        return await self.emit(account, *[new(n) for n in range(count)])

    async def dispatch(self) -> None:
        for partition in range(PARTITIONS):
            await self.dispatcher.dispatch(partition)

    async def serve_due(self) -> None:
        """Serve each lane that is due now, one after another."""
        for partition in range(PARTITIONS):
            for leased in (await self.schedule.claim(partition, 100)).items:
                await self.server.serve(leased)

    async def work(self) -> None:
        await self.dispatch()
        await self.serve_due()

    async def waiting(self, account: str) -> int:
        """How many events are on the account's default lane."""
        lane = f"lane:{lane_id('default', account)}"
        return int(await self.store.command("LLEN", self.store.keys.of(account, lane)))

    async def close(self) -> None:
        await self.http.close()


def new(number: int) -> EventDraft:
    """A messageNew of the Inbox."""
    return EventDraft(event=EventType.MESSAGE_NEW, path="INBOX", data={"n": number})
