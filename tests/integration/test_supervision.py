"""Real processes under a real supervisor: killed, frozen, crashing, stubborn, orphaned."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from postroom.clock import SystemClock
from postroom.cluster.members import Member, Members
from postroom.errors import StoreUnavailable
from postroom.store.connection import Store
from postroom.supervisor import exits
from postroom.supervisor.directories import data_directory
from postroom.supervisor.embedded_redis import socket_url

PATIENCE_S = 30.0


class Supervised:
    """A supervisor process, and the eyes of the test on it."""

    def __init__(self, data: Path, told: dict[str, Any]) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.supervised", json.dumps(told)],
            stdout=(data / "log").open("wb"),
            stderr=(data / "told").open("wb"),
            start_new_session=True,
        )

    def members(self) -> list[Member]:
        async def ask() -> list[Member]:
            store = Store(socket_url(data_directory(str(self.data)).store_socket))
            try:
                return list(await Members(store, SystemClock()).list())
            except StoreUnavailable:
                return []
            finally:
                await store.close()

        return asyncio.run(ask())

    def pids(self) -> set[int]:
        return {member.pid for member in self.members()}

    def tree(self) -> set[int]:
        """Every process of the supervisor's session, the store's own session included."""
        # By its directory: its command line names the socket only, which is elsewhere where the
        # path of the data is too long for one.
        store = {pid for pid in _all_pids() if _directory(pid).is_relative_to(self.data)}
        return {pid for pid in _all_pids() if _session(pid) == self.process.pid} | store

    def wait(self) -> int:
        return self.process.wait(PATIENCE_S)

    def told(self) -> str:
        return (self.data / "told").read_text()

    def log(self) -> str:
        return (self.data / "log").read_text()


def _all_pids() -> set[int]:
    return {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}


def _directory(pid: int) -> Path:
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return Path("/")


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _session(pid: int) -> int:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return 0 if state[0] == "Z" else os.getsid(pid)
    except OSError:
        return 0


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)


Start = Callable[..., Supervised]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Supervised] = []

    def begin(kinds: dict[str, int], **told: Any) -> Supervised:
        made = Supervised(tmp_path, {"kinds": kinds, "data_dir": str(tmp_path), **told})
        started.append(made)
        return made

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_a_killed_worker_comes_back_as_another_worker(start: Start) -> None:
    supervised = start({"steady": 2})
    until(lambda: len(supervised.members()) == 2)
    victim, survivor = supervised.members()
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: victim.pid not in supervised.pids() and len(supervised.members()) == 2)
    ids = {member.id for member in supervised.members()}
    assert survivor.id in ids
    assert victim.id not in ids


def test_sigterm_drains_every_worker_and_leaves_no_process(start: Start) -> None:
    supervised = start({"steady": 2})
    until(lambda: len(supervised.members()) == 2)
    supervised.process.terminate()
    assert supervised.wait() == exits.OK
    assert (supervised.data / "trace").read_text() == "drained\n" * 2
    until(lambda: supervised.tree() == set())


def test_ctrl_c_on_a_terminal_reaches_all_processes_and_still_drains(start: Start) -> None:
    supervised = start({"steady": 1})
    until(lambda: len(supervised.members()) == 1)
    os.killpg(supervised.process.pid, signal.SIGINT)
    assert supervised.wait() == exits.OK
    assert (supervised.data / "trace").read_text() == "drained\n"


def test_a_worker_that_does_not_drain_is_killed_in_the_end(start: Start) -> None:
    supervised = start({"stubborn": 1}, limits={"workers_stop_s": 0.5})
    until(lambda: len(supervised.members()) == 1)
    supervised.process.terminate()
    assert supervised.wait() == exits.OK
    assert "worker.killed" in supervised.log()


def test_a_frozen_worker_is_killed_and_replaced(start: Start) -> None:
    supervised = start({"frozen": 1}, limits={"look_s": 0.2, "silent_s": 8.0})
    until(lambda: len(supervised.members()) == 1)
    first = supervised.members()[0]
    until(lambda: any(member.pid != first.pid for member in supervised.members()))
    assert "worker.silent" in supervised.log()


def test_a_crash_loop_stops_the_product_with_its_exit_code(start: Start) -> None:
    supervised = start({"crashing": 1, "steady": 1})
    assert supervised.wait() == exits.CRASH_LOOP
    assert "ended 6 times in a row" in supervised.told()
    assert "this worker always crashes" in supervised.log()
    until(lambda: supervised.tree() == set())


def test_a_worker_that_cannot_start_stops_the_product_at_once(start: Start) -> None:
    supervised = start({"refusing": 1})
    assert supervised.wait() == exits.USAGE
    assert "this worker cannot start" in supervised.told()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no parent death signal")
def test_a_killed_supervisor_leaves_no_orphan(start: Start) -> None:
    supervised = start({"steady": 2, "frozen": 1})
    until(lambda: len(supervised.members()) == 3)
    supervised.process.kill()
    supervised.wait()
    until(lambda: supervised.tree() == set())


def test_a_killed_store_comes_back_with_its_data(start: Start) -> None:
    supervised = start({"steady": 1})
    until(lambda: len(supervised.members()) == 1)
    before = supervised.members()[0]
    (store,) = {
        pid for pid in supervised.tree() if "valkey" in _command_line(pid).partition(" ")[0]
    }
    os.kill(store, signal.SIGKILL)
    until(lambda: bool(supervised.members()))
    assert supervised.members()[0].id == before.id
    assert supervised.process.poll() is None


def test_a_second_product_on_the_same_data_is_refused(start: Start) -> None:
    first = start({"steady": 1})
    until(lambda: len(first.members()) == 1)
    second = start({"steady": 1})
    assert second.wait() == exits.USAGE
    assert f"in use by another Postroom (process {first.process.pid})" in second.told()
    assert len(first.members()) == 1
