"""The data directory: what lies where in it, and the lock that gives it to one Postroom.

<data>/postroom.lock   held (flock) while a Postroom or a stand-alone command uses it
<data>/store/          the embedded store's append-only file and its log
<data>/run/            sockets; elsewhere when the path is too long for a socket
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from postroom.clock import Clock
from postroom.errors import ConfigurationError

# sun_path holds 108 bytes on Linux and 104 on macOS, with the closing zero; our longest socket
# name is "/webhooks-01234567.sock".
MAX_RUN_PATH_BYTES = 75
# A stand-alone command holds the directory for about a second.
COMMAND_S = 2.0
_PRIVATE = 0o700


class DirectoryBusy(ConfigurationError):
    """Another process uses the data directory."""


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths of one data directory; nothing is created before `create`."""

    path: Path

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def lock(self) -> Path:
        return self.path / "postroom.lock"

    @property
    def run(self) -> Path:
        """The directory of the sockets; the same for every process that names the same data."""
        if self._is_short:
            return self.path / "run"
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:12]
        # A fixed place, not TMPDIR: two shells must find the same socket.
        return Path("/tmp") / f"postroom-{os.getuid()}-{digest}"  # noqa: S108 - owner is checked

    @property
    def store_socket(self) -> Path:
        return (self.path if self._is_short else self.run) / "store.sock"

    @property
    def _is_short(self) -> bool:
        return len(os.fsencode(self.path / "run")) <= MAX_RUN_PATH_BYTES

    def create(self) -> None:
        """Make the directories, private to this user. Raises ConfigurationError."""
        try:
            for directory in (self.path, self.store, self.run):
                directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            self.path.chmod(_PRIVATE)
        except OSError as error:
            raise ConfigurationError(
                f"EENGINE_DATA_DIR: {self.path} cannot be used: {error.strerror or error}"
            ) from error
        if self.run.stat().st_uid != os.getuid() or self.run.is_symlink():
            raise ConfigurationError(f"{self.run} belongs to another user")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the directory; DirectoryBusy when another process does."""
        with self.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DirectoryBusy(_busy(self.path, file.name)) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            self._forget_sockets()
            yield

    def _forget_sockets(self) -> None:
        # Sockets of a run that was killed; the store's is looked at by the store itself.
        for socket in self.run.glob("*-*.sock"):
            socket.unlink(missing_ok=True)


@asynccontextmanager
async def hold_soon(directory: DataDirectory, clock: Clock) -> AsyncIterator[None]:
    """Hold the directory, waiting a moment for a command that uses it just now."""
    limit_s = clock.steady_s() + COMMAND_S
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(directory.held())
                break
            except DirectoryBusy:
                if clock.steady_s() >= limit_s:
                    raise
                await clock.sleep(0.1)
        yield


def data_directory(text: str) -> DataDirectory:
    """The data directory of an option's text."""
    return DataDirectory(Path(text).expanduser().resolve())


def _busy(path: Path, lock: str) -> str:
    owner = Path(lock).read_text(encoding="ascii", errors="replace").strip()
    return f"{path} is in use by another Postroom (process {owner or 'unknown'})"
