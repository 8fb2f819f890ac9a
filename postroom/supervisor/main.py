"""The supervisor's life: start in order, watch, stop in order.

Start: data directory and its lock, the store, its layout, prepared configuration, then the
workers, and the banner once `/health` answers. Stop: the API first, then the workers, which
finish what they hold, and the store last - all within 10 s. Signal handlers only set an event.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from postroom import __version__
from postroom.backoff import RESTART
from postroom.clock import Clock, SystemClock
from postroom.config.options import Options
from postroom.errors import ConfigurationError, PostroomError, StoreUnavailable
from postroom.logs import get_logger
from postroom.net.port import ensure_free
from postroom.store.connection import Store
from postroom.supervisor import exits
from postroom.supervisor.children import Slot, WorkerFailed, fork_context
from postroom.supervisor.coordinator import beats_of, bury, bury_all, coordinate
from postroom.supervisor.directories import DataDirectory, data_directory, hold_soon
from postroom.supervisor.embedded_redis import EmbeddedStore
from postroom.supervisor.kinds import KINDS, PRELOAD, WorkerKind
from postroom.supervisor.prepared import prepare
from postroom.supervisor.silence import Silence
from postroom.supervisor.spec import WorkerSpec, new_worker_id
from postroom.supervisor.status import (
    SLOW_START_S,
    HealthProbe,
    facts,
    next_steps,
    program_name,
    until_well,
)

log = get_logger("supervisor")


@dataclass(frozen=True, slots=True)
class Limits:
    """The times of supervision; tests shorten them."""

    # Contract U1: looked at each 5 s, restarted after 60 s of silence.
    look_s: float = 5.0
    silent_s: float = 60.0
    # The whole stop takes at most 10 s: 2 for the API, 8 for all workers (contract U4), the rest
    # for the store.
    api_stop_s: float = 2.0
    workers_stop_s: float = 8.0


class Supervisor:
    """One run of the product on this node."""

    def __init__(
        self,
        options: Options,
        clock: Clock,
        *,
        kinds: Sequence[WorkerKind] = KINDS,
        preload: tuple[str, ...] = PRELOAD,
        limits: Limits = Limits(),
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._kinds = kinds
        self._limits = limits
        self._say = say
        self._context = fork_context(preload)
        self._node = _node_name()
        self._slots: list[tuple[WorkerKind, Slot]] = []
        self._stop = asyncio.Event()

    def request_stop(self) -> None:
        """Begin to stop; called by the signal handlers."""
        self._stop.set()

    async def run(self) -> int:
        """Run until a stop is requested; the exit code."""
        started_s = self._clock.steady_s()
        directory = data_directory(self._options.data_dir)
        directory.create()
        async with hold_soon(directory, self._clock):
            self._ensure_port()
            async with self._store_running(directory) as (url, embedded):
                return await self._run_on(url, embedded, directory, started_s)

    def _ensure_port(self) -> None:
        if any(kind.name == "api" for kind in self._kinds):
            ensure_free(self._options.host, self._options.port)

    @asynccontextmanager
    async def _store_running(
        self, directory: DataDirectory
    ) -> AsyncIterator[tuple[str, EmbeddedStore | None]]:
        if self._options.redis_url:
            yield self._options.redis_url, None
            return
        embedded = EmbeddedStore(directory, self._clock)
        await embedded.start()
        try:
            yield embedded.url, embedded
        finally:
            await embedded.stop()

    async def _run_on(
        self, url: str, embedded: EmbeddedStore | None, directory: DataDirectory, started_s: float
    ) -> int:
        store = Store(url, self._options.redis_prefix)
        try:
            await self._prepare(store)
            if embedded is not None:
                await bury_all(store, self._clock)
            self._make_slots(store, url, directory)
            work = asyncio.create_task(self._work(store, embedded, directory, started_s))
            return await self._until_over(work)
        finally:
            await store.close()

    async def _work(
        self,
        store: Store,
        embedded: EmbeddedStore | None,
        directory: DataDirectory,
        started_s: float,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            if embedded is not None:
                tasks.create_task(self._keep_store(embedded))
            tasks.create_task(coordinate(store, self._clock, self._node, self._options.workers))
            tasks.create_task(self._look_after(store))
            tasks.create_task(self._announce(directory, started_s))
            for _, slot in self._slots:
                tasks.create_task(slot.keep())

    async def _until_over(self, work: asyncio.Task[None]) -> int:
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._say("postroom: stopping")
        finally:
            await self._stop_workers()
            stop.cancel()
            work.cancel()
            await asyncio.wait({work})
        return self._verdict(work)

    def _verdict(self, work: asyncio.Task[None]) -> int:
        error = None if work.cancelled() else work.exception()
        if error is None:
            return exits.OK
        failed = [leaf for leaf in leaves(error) if isinstance(leaf, WorkerFailed)]
        if not failed:
            raise error
        self._say(f"postroom: {failed[0].text}")
        return failed[0].exit_code

    async def _prepare(self, store: Store) -> None:
        try:
            await prepare(store, self._options, self._clock)
        except StoreUnavailable as error:
            raise ConfigurationError(
                f"Option EENGINE_REDIS: the store does not answer ({error.log.get('reason')})"
            ) from error

    def _make_slots(self, store: Store, url: str, directory: DataDirectory) -> None:
        async def on_end(spec: WorkerSpec) -> None:
            await bury(store, self._clock, spec.worker_id)

        for kind in self._kinds:
            for _ in range(kind.count(self._options)):
                make = self._spec_maker(kind, url, directory)
                self._slots.append((kind, Slot(self._context, self._clock, make, on_end)))

    def _spec_maker(
        self, kind: WorkerKind, url: str, directory: DataDirectory
    ) -> Callable[[], WorkerSpec]:
        def make() -> WorkerSpec:
            return WorkerSpec(
                kind=kind.name,
                entry=kind.entry,
                worker_id=new_worker_id(self._node, kind.name),
                node=self._node,
                store_url=url,
                run_directory=str(directory.run),
                options=self._options,
            )

        return make

    async def _keep_store(self, embedded: EmbeddedStore) -> None:
        attempt = 0
        while True:
            born_s = self._clock.steady_s()
            code = await embedded.wait()
            lived_s = self._clock.steady_s() - born_s
            attempt = 1 if lived_s * 1000 > RESTART.most_ms else attempt + 1
            log.error("store.ended", code=code, restart=attempt)
            # The first restart is at once: every worker waits for it.
            if attempt > 1:
                await self._clock.sleep(RESTART.delay_ms(attempt - 1) / 1000)
            await embedded.start()

    async def _look_after(self, store: Store) -> None:
        silence = Silence(self._limits.silent_s)
        while True:
            await self._clock.sleep(self._limits.look_s)
            try:
                beats = await beats_of(store, self._clock)
            except StoreUnavailable:
                silence.forgive()
                continue
            running = {s.child.spec.worker_id: s.child for _, s in self._slots if s.child}
            for worker in silence.look(set(running), beats, self._clock.steady_s()):
                log.error("worker.silent", worker=worker, limit_s=self._limits.silent_s)
                running[worker].signal(signal.SIGKILL)

    async def _announce(self, directory: DataDirectory, started_s: float) -> None:
        if not any(kind.name == "api" for kind, _ in self._slots):
            return
        probe = HealthProbe(self._options.host, self._options.port)
        well = asyncio.ensure_future(until_well(probe, self._clock))
        try:
            done, _ = await asyncio.wait({well}, timeout=SLOW_START_S)
            if not done:
                self._say("postroom: the start takes long; the log tells more")
            await well
        finally:
            well.cancel()
        seconds = self._clock.steady_s() - started_s
        log.debug("product.ready", version=__version__, seconds=round(seconds, 2))
        if any(kind.announces for kind, _ in self._slots):
            return
        lines = facts(self._options, str(directory.path), seconds)
        lines += next_steps(self._options, program_name(sys.argv[0], Path.cwd()))
        self._say("\n".join(lines))

    async def _stop_workers(self) -> None:
        limit_s = self._clock.steady_s() + self._limits.workers_stop_s
        first = [slot for kind, slot in self._slots if kind.stops_first]
        rest = [slot for kind, slot in self._slots if not kind.stops_first]
        self._slots = []
        await asyncio.gather(*(slot.stop(self._limits.api_stop_s) for slot in first))
        left_s = limit_s - self._clock.steady_s()
        await asyncio.gather(*(slot.stop(left_s) for slot in rest))


def _node_name() -> str:
    host = re.sub(r"[^A-Za-z0-9.]", "", socket.gethostname())[:40] or "node"
    return f"{host}-{secrets.token_hex(3)}"


async def _run(options: Options, kinds: Sequence[WorkerKind]) -> int:
    supervisor = Supervisor(options, SystemClock(), kinds=kinds, say=_say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.request_stop)
    return await supervisor.run()


def run(options: Options, kinds: Sequence[WorkerKind] = KINDS) -> int:
    """Run the product until a signal; the process's exit code."""
    try:
        return asyncio.run(_run(options, kinds))
    except PostroomError as error:
        _say(f"postroom: {error}")
        return exits.USAGE


def leaves(error: BaseException) -> list[BaseException]:
    """The plain exceptions inside a group, or the exception itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in leaves(inner)]
    return [error]


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
