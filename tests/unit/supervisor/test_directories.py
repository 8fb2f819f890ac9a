"""The data directory: places, lock, paths too long for a socket."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from postroom.errors import ConfigurationError
from postroom.supervisor.directories import (
    COMMAND_S,
    DataDirectory,
    DirectoryBusy,
    data_directory,
    hold_soon,
)
from tests.fakes.clock import FakeClock


def test_only_its_user_may_enter(tmp_path: Path) -> None:
    directory = data_directory(str(tmp_path / "data"))
    directory.create()
    for path in (directory.path, directory.store, directory.run):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_one_process_holds_it_at_a_time(tmp_path: Path) -> None:
    directory = data_directory(str(tmp_path))
    directory.create()
    with (
        directory.held(),
        pytest.raises(DirectoryBusy, match=f"process {os.getpid()}"),
        directory.held(),
    ):
        pass
    with directory.held():
        pass


async def test_a_holder_is_waited_for_a_moment_and_no_longer(tmp_path: Path) -> None:
    directory = data_directory(str(tmp_path))
    directory.create()
    clock = _Impatient()
    with directory.held(), pytest.raises(DirectoryBusy):
        await _hold(directory, clock)
    assert clock.steady_s() >= COMMAND_S
    await _hold(directory, clock)


async def _hold(directory: DataDirectory, clock: FakeClock) -> None:
    async with hold_soon(directory, clock):
        pass


class _Impatient(FakeClock):
    """Each sleep passes at once."""

    async def sleep(self, seconds: float) -> None:
        self._move(self.steady_s() + seconds)


def test_sockets_of_a_deep_directory_live_elsewhere_and_are_found_again(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    first, second = data_directory(str(deep)), data_directory(str(deep))
    assert first.store_socket == second.store_socket
    assert len(os.fsencode(first.run)) < 60
    assert first.run != data_directory(str(tmp_path / ("e" * 100))).run


def test_sockets_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    directory = data_directory(str(tmp_path))
    directory.create()
    (directory.run / "imap-01234567.sock").touch()
    with directory.held():
        assert list(directory.run.iterdir()) == []


def test_a_place_that_is_no_directory_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="EENGINE_DATA_DIR"):
        data_directory(str(tmp_path / "file")).create()
