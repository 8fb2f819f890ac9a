"""What every worker stands on: the store, its nouns, and the beat that says it is alive.

The beat is sent from the worker's own event loop, so a frozen loop is a silent member and gets
restarted (contract U1). It begins when the room is ready for work, and a worker that never gets
ready is silent from its start.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from postroom.clock import Clock
from postroom.cluster.members import Member, Members
from postroom.config.options import Options
from postroom.crypto import Sealer
from postroom.errors import StoreUnavailable
from postroom.logs import get_logger
from postroom.store.connection import Store
from postroom.store.settings import Settings
from postroom.store.wake import SETTINGS_TOPIC, Wake
from postroom.supervisor.spec import WorkerSpec

# Contract U1 asks for at least one in 10 s; half of that survives one lost beat.
BEAT_S = 5.0
# A store that is away answers again within about this time when it is restarted.
BEAT_RETRY_S = 1.0
# Contract U4: running work may take up to 8 s after SIGTERM; a little less than the supervisor
# waits, so that the worker ends by itself.
DRAIN_S = 7.5
# Wake-ups can be lost; the settings themselves believe their copy for a second only.
SETTINGS_LOOK_S = 60.0

log = get_logger("workers")


class Runner(Protocol):
    """A room's main loop, as the rooms of floor F3 offer it."""

    async def run(self) -> None:
        """Work until cancelled, or until drained."""
        ...

    async def drain(self) -> None:
        """Take no new work and finish what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Station:
    """One worker process's equipment."""

    spec: WorkerSpec
    store: Store
    sealer: Sealer
    settings: Settings
    wake: Wake
    members: Members
    clock: Clock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def options(self) -> Options:
        return self.spec.options

    async def keep(self, runner: Runner, address: str = "") -> None:
        """Run the room, present among the members, until told to stop; then let it finish.

        `address` is where the worker takes calls. Whatever fails here ends the worker.
        """
        # Registered before it takes work: what an unknown worker leases would look abandoned.
        await self._register(address)
        work = asyncio.ensure_future(runner.run())
        beat = asyncio.ensure_future(self._beat())
        stop = asyncio.ensure_future(self.stopping.wait())
        try:
            done, _ = await asyncio.wait({work, beat, stop}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await runner.drain()
        finally:
            await cancelled(work, beat, stop)
            with suppress(StoreUnavailable):
                await self.members.leave(self.spec.worker_id)

    async def listen(self) -> None:
        """Hear wake-ups and changed settings, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.wake.run())
            tasks.create_task(self._follow_settings())

    async def _follow_settings(self) -> None:
        while True:
            if await self.wake.wait(SETTINGS_TOPIC, SETTINGS_LOOK_S):
                self.settings.forget()

    async def _register(self, address: str) -> None:
        while True:
            try:
                return await self.members.register(self._member(address))
            except StoreUnavailable as error:
                await self._wait_for_store(error)

    async def _beat(self) -> None:
        while True:
            await self.clock.sleep(BEAT_S)
            try:
                await self.members.beat(self.spec.worker_id)
            except StoreUnavailable as error:
                await self._wait_for_store(error)

    async def _wait_for_store(self, error: StoreUnavailable) -> None:
        # No reason to end: nobody can beat, and the supervisor knows.
        log.warn("store.unavailable", worker=self.spec.worker_id, **error.log)
        await self.clock.sleep(BEAT_RETRY_S)

    def _member(self, address: str) -> Member:
        spec = self.spec
        return Member(
            id=spec.worker_id, kind=spec.kind, node=spec.node, pid=os.getpid(), address=address
        )


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel the tasks and wait until they are over; what they raise is dropped."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
