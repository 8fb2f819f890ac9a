"""The life of a worker process: come up, serve, drain on SIGTERM, end.

Ctrl-C on a terminal reaches all processes of the group; only the supervisor acts on it. An
exception that reaches the top is logged with its traceback and ends the process: the supervisor
starts another (contract U4). A worker never outlives its supervisor.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from postroom import logs
from postroom.clock import SystemClock
from postroom.cluster.members import Members
from postroom.crypto import Sealer
from postroom.errors import ConfigurationError
from postroom.store.connection import Store
from postroom.store.settings import Settings
from postroom.store.wake import Wake
from postroom.supervisor import exits
from postroom.supervisor.deathsig import die_with_parent, life_line
from postroom.supervisor.spec import WorkerSpec
from postroom.workers.station import DRAIN_S, Station, cancelled

Serve = Callable[[Station], Coroutine[Any, Any, None]]

# Python's own (700, 10, 10) goes through a thousand accounts again and again while they connect,
# for a tenth of the CPU; what waits for the collector longer are a few thousand small objects.
COLLECTED_AFTER = (5_000, 20, 20)

log = logs.get_logger("workers")


def run(spec: WorkerSpec, serve: Serve) -> None:
    """The whole life of a worker process; ends it with an exit code that has a meaning."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_supervisor()
    # Everything the fork server loaded is for ever: keep the collector from touching its pages.
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)
    logs.configure(spec.options.log_level)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            loop.run(_live(spec, serve))
    except ConfigurationError as error:
        log.fatal("worker.cannot.start", worker=spec.worker_id, reason=str(error))
        sys.stderr.write(f"postroom: {error}\n")
        sys.exit(exits.CANNOT_START)
    except Exception:
        # The top of the process: what comes here is a bug, and the process must not go on.
        log.exception("worker.failed", worker=spec.worker_id)
        sys.exit(exits.USAGE)


def _end_with_supervisor() -> None:
    die_with_parent()
    # The parent is the fork server, which is never process 1: then it is gone already.
    if os.getppid() == 1:
        sys.exit(exits.OK)


async def _live(spec: WorkerSpec, serve: Serve) -> None:
    station = make_station(spec)
    _listen_for_the_end(station)
    ears = asyncio.ensure_future(station.listen())
    work = asyncio.ensure_future(serve(station))
    try:
        done, _ = await asyncio.wait({work, ears}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancelled(work, ears)
        await station.store.close()


def make_station(spec: WorkerSpec) -> Station:
    """The equipment of a worker; connects to nothing yet."""
    clock = SystemClock()
    store = Store(spec.store_url, spec.options.redis_prefix)
    secret = spec.options.secret
    sealer = Sealer(secret.reveal() if secret else None)
    settings = Settings(store, sealer, clock)
    return Station(spec, store, sealer, settings, Wake(store, clock), Members(store, clock), clock)


def _listen_for_the_end(station: Station) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, station.stopping.set)
    line = life_line()
    if line is None:
        return

    def on_orphaned() -> None:
        loop.remove_reader(line)
        station.stopping.set()
        # Nobody is left to enforce the limit.
        loop.call_later(DRAIN_S, os._exit, exits.OK)

    loop.add_reader(line, on_orphaned)
