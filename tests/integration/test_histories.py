"""A random history of several mailboxes on every kind of server: nothing lost, doubled or wrong.

The account worker runs in this process on a real store, behind a proxy that delays, stalls, cuts
and refuses. Another program appends, flags, expunges, moves, copies, makes, renames and deletes
mailboxes and now and then changes a UIDVALIDITY; behind a stall several changes in both directions
are seen in one look. At every checkpoint the event log is held against the true history.

`POSTROOM_HISTORY_STEPS=500` makes long histories, `POSTROOM_HISTORY_SEED` another one;
`POSTROOM_HISTORY_REPORT` names a file that gets a line of figures for each server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postroom.events.log import EventLog
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from tests.fakes.fault_proxy import FaultProxy, Link, fault_proxy
from tests.fakes.person import Person
from tests.fakes.profiles import PROFILES, USER
from tests.fakes.retold import Retold
from tests.unit.accounts.watching import World, imap_account, world

SEED = int(os.environ.get("POSTROOM_HISTORY_SEED", "2026"))
STEPS = int(os.environ.get("POSTROOM_HISTORY_STEPS", "36"))
REPORT = os.environ.get("POSTROOM_HISTORY_REPORT")
ACCOUNT = "history"
# Steps between two checkpoints.
CHECK_EVERY = 20
# Steps for one look that is asked for, and for one fault.
LOOK_EVERY = 4
FAULT_EVERY = 5
CATCH_UP_S = 20.0
# Pauses of the dialogue; much shorter than any deadline, and long enough for several steps.
LONGEST_STALL_S = 0.3

pytestmark = pytest.mark.timeout(120 + 2 * STEPS)


class Weather:
    """What the network does, one thing at a time."""

    def __init__(self, proxy: FaultProxy, dice: random.Random) -> None:
        self._proxy = proxy
        self._dice = dice
        self.done: Counter[str] = Counter()

    async def change(self) -> None:
        self.heal()
        doings: tuple[Callable[[], Awaitable[None]], ...] = (
            self.cut, self.cut_soon, self.cut_soon, self.stall, self.stall, self.slow,
            self.late, self.refuse, self.fine,
        )  # fmt: skip
        doing = self._dice.choice(doings)
        self.done[doing.__name__] += 1
        await doing()

    async def fine(self) -> None:
        """Nothing bad for a while."""

    async def cut(self) -> None:
        self._proxy.cut(reset=self._dice.random() < 0.5)

    async def cut_soon(self) -> None:
        """Cut this connection and the next ones in the middle of what the server says."""
        self._proxy.cut_after(from_server=self._dice.randrange(1, 3000))
        left = self._dice.randrange(1, 4)

        def programme(link: Link) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                link.left_from_server = self._dice.randrange(100, 8000)

        self._proxy.on_link = programme

    async def stall(self) -> None:
        """Until the weather changes again: what happens meanwhile is seen at once."""
        self._proxy.stall()

    async def slow(self) -> None:
        self._proxy.rate = 100_000

    async def late(self) -> None:
        self._proxy.latency_s = self._dice.random() * 0.02

    async def refuse(self) -> None:
        self._proxy.refuses = True
        self._proxy.cut()

    def heal(self) -> None:
        self._proxy.on_link = None
        self._proxy.heal()


@dataclass
class History:
    """One account, its person, and what was told of it so far."""

    here: World
    person: Person
    weather: Weather
    told: Retold
    patch: pytest.MonkeyPatch
    log_id: str = "0"

    async def live(self, steps: int) -> None:
        for number in range(1, steps + 1):
            await asyncio.to_thread(self.person.step)
            if number % FAULT_EVERY == 0:
                await self.weather.change()
            if number % LOOK_EVERY == 0:
                self.here.watcher(ACCOUNT).request_sync()
            if number % CHECK_EVERY == 0:
                await self.check()
                await asyncio.to_thread(self.person.change_uid_validity)
        await self.check()

    async def check(self) -> None:
        """Let the product catch up; then what was told is the truth, each thing once."""
        self.weather.heal()
        # What a server shows right after a change need not be all: the truth is what stays.
        await asyncio.to_thread(self.person.look_everywhere)
        with contextlib.suppress(TimeoutError), self.patch.context() as patch:
            if "CONDSTORE" not in self.person.capabilities:
                # Without mod-sequences no counter tells of flags: they are compared half-hourly.
                patch.setattr("postroom.providers.imap.passes.FULL_COMPARE_MS", 0)
            async with asyncio.timeout(CATCH_UP_S):
                await self._caught_up()
        assert self.problems() == {}, f"seed {SEED}"
        self.person.settled()

    async def _caught_up(self) -> None:
        while not (self.told.is_true() and await self._is_quiet()):
            self.here.watcher(ACCOUNT).request_sync()
            await asyncio.sleep(0.1)
            await self._listen()

    def problems(self) -> dict[str, list[str]]:
        told = self.told
        found = {
            "lost": told.lost(),
            "doubled": told.doubled,
            "wrong": [*told.wrong, *told.differing()],
        }
        return {kind: list_ for kind, list_ in found.items() if list_}

    async def _is_quiet(self) -> bool:
        """Whether a whole look finds nothing more."""
        before = self.told.told
        await self.here.sync(ACCOUNT)
        await self._listen()
        return self.told.told == before

    async def _listen(self) -> None:
        log = EventLog(self.here.store)
        while entries := await log.read(partition_of(ACCOUNT), self.log_id):
            self.log_id = entries[-1].log_id
            self.told.hear(entry.event for entry in entries)


# Every server; and one whose mailboxes are watched by connections of their own.
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (name, ()) for name in PROFILES},
    "subconnections": ("full", ("Archive", "Projects")),
}


@asynccontextmanager
async def history(
    store: Store, server_port: int, person: Person, patch: pytest.MonkeyPatch, more: dict[str, Any]
) -> AsyncIterator[History]:
    """The account behind the proxy, connected."""
    dice = random.Random(SEED + 1)
    async with fault_proxy(server_port) as proxy, world(store) as here:
        await here.register(imap_account(ACCOUNT, USER, proxy.port, **more))
        await here.until_state(ACCOUNT, "connected")
        yield History(
            here, person, Weather(proxy, dice), Retold.before(person.truth, person.watched), patch
        )


@pytest.mark.parametrize("name", CASES)
async def test_a_random_history_is_told_whole_once_and_truly(
    monkeypatch: pytest.MonkeyPatch, store: Store, name: str
) -> None:
    # A message that goes before it was read is asked for three times more.
    monkeypatch.setattr("postroom.providers.imap.details.MISSING_DELAYS_MS", (10, 17, 29))
    # More than 20 connections a minute are spaced out; here a minute is a whole history.
    monkeypatch.setattr("postroom.providers.imap.watch.BUSY_RECONNECTS", 100 * STEPS)
    kind, subconnections = CASES[name]
    profile = PROFILES[kind]
    if missing := profile.missing():
        pytest.skip(missing)
    started_s = time.monotonic()
    with profile.run() as server:
        person = Person(server, random.Random(SEED))
        await asyncio.to_thread(person.prepare)
        more = {"subconnections": subconnections}
        async with history(store, server.port, person, monkeypatch, more) as lived:
            try:
                await lived.live(STEPS)
            finally:
                report(name, lived, time.monotonic() - started_s)


def report(name: str, lived: History, took_s: float) -> None:
    """Figures for those who asked for them."""
    if REPORT is None:
        return
    line = {
        "server": name,
        "seed": SEED,
        "steps": STEPS,
        "events": lived.told.told,
        "messages": len(lived.person.truth.facts),
        **{kind: len(found) for kind, found in lived.problems().items()},
        "did": lived.person.done,
        "weather": lived.weather.done,
        "seconds": round(took_s, 1),
    }
    with Path(REPORT).open("a") as file:
        file.write(json.dumps(line) + "\n")
