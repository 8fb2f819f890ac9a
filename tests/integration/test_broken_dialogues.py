"""A server that fails at any step of the dialogue, in any way.

For each step and fault: the state that is shown, recovery by itself once the fault is over, each
message announced once, an account beside it that notices nothing, and no task or socket left over.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from postroom.clock import Clock, Deadline
from postroom.store.connection import Store
from tests.fakes.dovecot import make_certificate
from tests.fakes.scripted_imapd import (
    Fault,
    ScriptedImapd,
    cut,
    garbage,
    goodbye,
    half_close,
    reset,
    scripted_imapd,
    slow,
    stall,
)
from tests.unit.accounts.watching import World, imap_account, world

LONG_AGO = "2001-01-01T00:00:00.000Z"
# What every wait of the product is shortened to.
MOST_WAIT_S = 0.15
SET_UP = ("GREETING", "CAPABILITY", "STARTTLS", "LOGIN", "ID", "ENABLE")
SESSION = ("LIST", "STATUS", "EXAMINE", "UID FETCH", "IDLE", "DONE")


@pytest.fixture(scope="module")
def server_tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    directory: Path = tmp_path_factory.mktemp("certificate")
    make_certificate(directory)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every deadline of the product comes soon; so a wait without one would show."""

    def soon(cls: type[Deadline], clock: Clock, seconds: float) -> Deadline:
        return cls(clock, clock.steady_s() + min(seconds, MOST_WAIT_S))

    with monkeypatch.context() as patch:
        patch.setattr(Deadline, "after", classmethod(soon))
        patch.setattr("postroom.net.imap.IDLE_ANSWER_S", MOST_WAIT_S)
        patch.setattr("postroom.net.imap.CLOSE_S", 0.05)
        yield


@dataclass
class Scene:
    """Two accounts of one worker: one on the server that will fail, one beside it."""

    here: World
    server: ScriptedImapd
    neighbour: ScriptedImapd

    async def begin(self) -> None:
        for number in range(3):
            await self.server.deliver(f"old {number}")
        await self.neighbour.deliver("quiet")
        await self.here.register(imap_account("a", "u", self.server.port, notify_from=LONG_AGO))
        await self.here.register(imap_account("b", "u", self.neighbour.port))
        await self.here.until_told("a", "messageNew", 3)
        for name in "ab":
            await self.here.until_state(name, "connected")
        await self.until_at_rest()

    async def until_at_rest(self) -> None:
        async def is_at_rest() -> bool:
            return [peer.is_idling for peer in self.server.peers] == [True]

        await self.here.until(is_at_rest)

    async def until_shown(self, state: str) -> None:
        """Have rounds made until the fault shows as this state."""

        async def is_shown() -> bool:
            self.here.watcher("a").request_sync()
            return (await self.here.status("a")).state == state

        await self.here.until(is_shown)

    async def check_recovery(self, subjects: list[str]) -> None:
        """Everything is as before, and was told once."""
        await self.here.until_told("a", "messageNew", len(subjects))
        await self.here.until_state("a", "connected")
        await self.here.sync("a")
        assert await self.here.subjects("a") == sorted(subjects)
        assert await self.here.told("a", "messageDeleted") == []
        assert await self.here.told("a", "mailboxDeleted") == []
        assert await self.here.told("a", "mailboxReset") == []
        assert await self.here.told("a", "authenticationError") == []
        assert (await self.here.status("b")).state == "connected"
        assert self.neighbour.connections == 1


def sockets() -> int:
    """How many files and sockets this process has open."""
    return len(os.listdir("/proc/self/fd"))


@asynccontextmanager
async def scene(store: Store, tls: ssl.SSLContext | None) -> AsyncIterator[Scene]:
    async with (
        scripted_imapd(ScriptedImapd(tls=tls)) as server,
        scripted_imapd() as neighbour,
        world(store) as here,
    ):
        staged = Scene(here, server, neighbour)
        await staged.begin()
        yield staged


async def until_no_more_than(here: World, tasks: int, files: int) -> None:
    """Wait until nothing of the broken connections is left."""

    async def is_clean() -> bool:
        return len(asyncio.all_tasks()) <= tasks and sockets() <= files

    try:
        await here.until(is_clean)
    except TimeoutError:
        assert (len(asyncio.all_tasks()), sockets()) == (tasks, files)


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize("fault", [reset, cut, half_close, stall, garbage, goodbye])
@pytest.mark.parametrize("step", [*SET_UP, *SESSION])
async def test_a_fault_at_any_step_shows_and_passes(
    store: Store, server_tls: ssl.SSLContext, step: str, fault: Fault
) -> None:
    async with scene(store, server_tls) as staged:
        tasks, files = len(asyncio.all_tasks()), sockets()
        staged.server.faults[step] = fault
        await staged.server.deliver("during")
        staged.here.watcher("a").request_reconnect()
        await staged.until_shown("connectError" if step in SET_UP else "disconnected")
        assert staged.server.steps[step]
        staged.server.faults.clear()
        await staged.check_recovery(["old 0", "old 1", "old 2", "during"])
        await staged.until_at_rest()
        await until_no_more_than(staged.here, tasks, files)


async def test_a_link_that_is_slow_at_every_step_is_no_fault(
    store: Store, server_tls: ssl.SSLContext
) -> None:
    async with scene(store, server_tls) as staged:
        staged.server.faults = dict.fromkeys((*SET_UP, *SESSION), slow)
        # What follows STARTTLS is not the script's to send in pieces.
        del staged.server.faults["STARTTLS"]
        await staged.server.deliver("during")
        before = staged.server.connections
        staged.here.watcher("a").request_reconnect()
        await staged.check_recovery(["old 0", "old 1", "old 2", "during"])
        assert staged.server.connections == before + 1
        assert await staged.here.told("a", "connectError") == []
