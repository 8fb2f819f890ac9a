"""The webhooks worker: dispatching, delivering and trimming, side by side."""

from __future__ import annotations

import asyncio

from postroom.clock import Clock
from postroom.events.log import EventLog
from postroom.net.http import HttpClient
from postroom.queue.schedule import NOTIFY, Schedule
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.lanes import Lanes
from postroom.store.settings import Settings
from postroom.store.wake import Wake
from postroom.webhooks.claims import LaneClaims
from postroom.webhooks.deliver import Courier
from postroom.webhooks.dispatch import Dispatcher
from postroom.webhooks.lanes import LaneServer, LaneServices
from postroom.webhooks.receivers import Receivers
from postroom.webhooks.retention import Retention

# Lanes served at once by one worker, over all receivers: so many slow receivers delay nobody.
LANES_AT_ONCE = 128
# What a lease lasts longer than an attempt: the store's round trips around it.
LEASE_MARGIN_S = 30.0
# How long attempts under way may go on when the worker is told to stop (U4 gives 8 s in all).
DRAIN_S = 6.0


class WebhooksRunner:
    """`run` works until `drain`, which lets the attempts under way end."""

    def __init__(
        self,
        *,
        store: Store,
        accounts: Accounts,
        settings: Settings,
        wake: Wake,
        clock: Clock,
        http: HttpClient,
        concurrency: int = 1,
        worker_id: str = "",
        timeout_s: float = 30.0,
    ) -> None:
        """`concurrency` is EENGINE_NOTIFY_QC: lanes delivered at once to one URL."""
        lease_ms = round((timeout_s + LEASE_MARGIN_S) * 1000)
        schedule = Schedule(store, clock, NOTIFY, lease_ms, holder=worker_id)
        lanes = Lanes(store, clock, lease_ms)
        services = LaneServices(
            lanes=lanes,
            schedule=schedule,
            accounts=accounts,
            settings=settings,
            courier=Courier(http, clock, timeout_s),
            receivers=Receivers(clock, concurrency),
            clock=clock,
        )
        self._server = LaneServer(services)
        self._claims = LaneClaims(schedule, wake, clock, self._server.serve, LANES_AT_ONCE)
        self._dispatcher = Dispatcher(lanes, accounts, settings, wake, clock)
        self._retention = Retention(EventLog(store), lanes, clock)
        self._draining = asyncio.Event()
        self._drained = asyncio.Event()

    async def run(self) -> None:
        """Work until `drain`; an error that reaches this ends the worker."""
        try:
            async with asyncio.TaskGroup() as group:
                endless = [
                    group.create_task(self._dispatcher.run()),
                    group.create_task(self._retention.run()),
                ]
                claims = group.create_task(self._claims.run())
                await self._draining.wait()
                self._claims.stop()
                self._server.stop()
                await asyncio.wait({claims}, timeout=DRAIN_S)
                for task in (claims, *endless):
                    task.cancel()
        finally:
            self._drained.set()

    async def drain(self) -> None:
        """Take nothing new, let attempts under way end, give the rest back."""
        self._draining.set()
        await self._drained.wait()
