"""Ten thousand mailboxes, a tree a hundred deep, half a million messages, a clock that is wrong.

Memory is what `tracemalloc` counts of Python's own; a server that makes its answers up as it goes
stands for the mail.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.model.operations import ListMailboxes, ListMessages, SearchMessages
from postroom.providers.imap.limits import WatchLimits
from postroom.providers.interface import Answering
from postroom.store.connection import Store
from tests.fakes.scripted_imapd import CAPABILITIES, Box, ScriptedImapd, scripted_imapd
from tests.unit.accounts import watching
from tests.unit.accounts.watching import QUICK, World, imap_account, world

CLOCK = SystemClock()
MAILBOXES = 10_000
DEPTH = 100
MESSAGES = 500_000
YEAR_MS = 365 * 24 * 3600 * 1000
LONG_AGO = "2001-01-01T00:00:00.000Z"
# After everything that the server has.
LATER = "2026-11-25T00:00:00.000Z"
# A first look at half a million messages on a busy machine.
LONG_S = 60.0
# What a request may leave behind: a few kilobytes of caches, nothing that counts messages.
GROWTH_BYTES = 256 * 1024


def soon() -> Deadline:
    return Deadline.after(CLOCK, 30)


def answering(here: World) -> Answering:
    found = here.runner._held["a"].answering
    assert found is not None
    return found


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE_S", LONG_S)


@pytest.mark.usefixtures("_patient")
async def test_ten_thousand_mailboxes_are_watched_and_the_main_one_is_served(store: Store) -> None:
    boxes = {"INBOX": Box(), **{f"Box {number}": Box() for number in range(MAILBOXES)}}
    async with scripted_imapd(ScriptedImapd(boxes=boxes)) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        # Each was opened once, to be known.
        looks = server.steps["EXAMINE"]
        assert looks <= MAILBOXES + 10
        await server.deliver("in main")
        await here.until_told("a", "messageNew")
        boxes["Box 7777"].add("far away")
        await here.sync("a")
        (_, event) = await here.until_told("a", "messageNew", 2)
        assert event.path == "Box 7777"
        # A round asks each for its counters, once, and opens what has changed.
        assert server.steps["STATUS"] <= MAILBOXES + 10
        assert server.steps["EXAMINE"] <= looks + 10
        listed = await answering(here).list_mailboxes(ListMailboxes(), soon())
        assert len(listed.mailboxes) == MAILBOXES + 1
        assert await here.told("a", "mailboxNew") == []


async def test_a_tree_a_hundred_deep_is_a_tree(store: Store) -> None:
    paths = ["/".join(f"L{level}" for level in range(depth + 1)) for depth in range(DEPTH)]
    boxes = {"INBOX": Box(), **{path: Box() for path in paths}}
    async with scripted_imapd(ScriptedImapd(boxes=boxes)) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        await server.deliver("deep", paths[-1])
        await here.sync("a")
        (event,) = await here.until_told("a", "messageNew")
        assert event.path == paths[-1]
        listed = await answering(here).list_mailboxes(ListMailboxes(), soon())
        deepest = next(one for one in listed.mailboxes if one.path == paths[-1])
        assert (deepest.parent_path, deepest.name) == (paths[-2], f"L{DEPTH - 1}")
        assert await here.told("a", "mailboxNew") == []


@pytest.fixture
def _traced() -> Iterator[None]:
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("_patient", "_traced")
async def test_half_a_million_messages_cost_no_memory_per_request(store: Store) -> None:
    box = Box()
    for _ in range(MESSAGES):
        box.add("one of many")
    words = f"{CAPABILITIES} ESEARCH"
    server = ScriptedImapd(capabilities=words, boxes={"INBOX": box})
    async with scripted_imapd(server), world(store) as here:
        await here.register(imap_account("a", "u", server.port, notify_from=LATER))
        await here.until_state("a", "connected")
        cursor = (await here.mailboxes.cursors("a"))["INBOX"]
        assert cursor.messages == MESSAGES
        blocks = await here.mailboxes.blocks("a", cursor.number)
        assert sum(map(len, blocks.values())) <= 16 * MESSAGES
        del blocks

        async def ask() -> None:
            page = await answering(here).list_messages(ListMessages(path="INBOX"), soon())
            assert (page.total, len(page.messages)) == (MESSAGES, 20)
            asked = SearchMessages(path="INBOX", search={"seen": False}, page_size=2)
            found = await answering(here).search_messages(asked, soon())
            assert (found.total, len(found.messages)) == (MESSAGES, 2)

        await ask()
        tracemalloc.start()
        await ask()
        before = _held_bytes()
        for _ in range(3):
            await ask()
        assert _held_bytes() - before < GROWTH_BYTES
        # The one message more is all that is fetched in detail.
        fetches = server.steps["UID FETCH"]
        box.add("the last one")
        await server.say(b"* %d EXISTS" % (MESSAGES + 1))
        (event,) = await here.until_told("a", "messageNew")
        assert event.data["subject"] == "the last one"
        assert server.steps["UID FETCH"] <= fetches + 4


def _held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


class WrongClock(SystemClock):
    """A clock that somebody sets."""

    offset_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.offset_ms


@pytest.mark.parametrize("jumps", [(YEAR_MS, -YEAR_MS), (-YEAR_MS, YEAR_MS), (-5_000, 5_000)])
async def test_a_clock_that_jumps_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store, jumps: tuple[int, int]
) -> None:
    monkeypatch.setattr(watching, "SystemClock", WrongClock)
    monkeypatch.setattr(WrongClock, "offset_ms", 0)
    limits = WatchLimits(proof_s=0.05, reconnect=QUICK.reconnect, refused=QUICK.refused)
    async with scripted_imapd() as server, world(store, limits) as here:
        await server.deliver("old")
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_told("a", "messageNew")
        await here.until_state("a", "connected")
        for number, jump in enumerate(jumps):
            WrongClock.offset_ms += jump
            await server.deliver(f"in {number}")
            await server.deliver(f"work {number}", "Work")
            await here.until_told("a", "messageNew", 2 + 2 * number)
            await here.sync("a")
            looks = server.steps["LIST"] + server.steps["EXAMINE"]
            await here.sync("a")
            # A round is a few looks; a spin would be many.
            assert server.steps["LIST"] + server.steps["EXAMINE"] <= looks + 12
        await here.until_told("a", "messageNew", 5)
        told = await here.subjects("a")
        assert told == ["in 0", "in 1", "old", "work 0", "work 1"]
        for event in ("messageDeleted", "messageUpdated", "mailboxDeleted", "mailboxReset"):
            assert await here.told("a", event) == []
        assert server.connections == 1
