"""Worker kinds that behave well, badly and worse, to prove supervision with real processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from postroom.errors import ConfigurationError
from postroom.supervisor.spec import WorkerSpec
from postroom.workers import boot
from postroom.workers.station import Station


class Idle:
    """A room that waits; what happens is appended to the file `trace` in the data directory."""

    def __init__(self, station: Station, drain_s: float = 0.0) -> None:
        self._trace = Path(station.options.data_dir) / "trace"
        self._drain_s = drain_s

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def drain(self) -> None:
        await asyncio.sleep(self._drain_s)
        with self._trace.open("a") as file:
            file.write("drained\n")


def steady(spec: WorkerSpec) -> None:
    boot.run(spec, lambda station: station.keep(Idle(station, drain_s=0.2)))


def stubborn(spec: WorkerSpec) -> None:
    boot.run(spec, lambda station: station.keep(Idle(station, drain_s=3600)))


def frozen(spec: WorkerSpec) -> None:
    async def serve(station: Station) -> None:
        asyncio.get_running_loop().call_later(0.5, time.sleep, 3600)
        await station.keep(Idle(station))

    boot.run(spec, serve)


def crashing(spec: WorkerSpec) -> None:
    async def serve(station: Station) -> None:
        raise RuntimeError("this worker always crashes")

    boot.run(spec, serve)


def refusing(spec: WorkerSpec) -> None:
    async def serve(station: Station) -> None:
        raise ConfigurationError("this worker cannot start")

    boot.run(spec, serve)
