"""Messages that take the worker with them: known before they are read, and given up (I13)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from postroom.providers.imap.announce import NewMail
from postroom.providers.imap.details import DEATHS_ALLOWED
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, message
from tests.unit.accounts.watching import World, imap_account, world

pytestmark = pytest.mark.dovecot


class Death(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


async def deaths(here: World, name: str) -> int:
    """How many deaths the store counts against the only message."""
    counted = await here.mailboxes.trials(name)
    assert len(counted) <= 1
    return sum(counted.values())


async def test_a_message_is_counted_before_it_is_read_and_forgotten_afterwards(
    store: Store, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    read = NewMail.read

    async def counted(self: NewMail, *arguments: Any) -> AsyncIterator[Any]:
        seen.append(await deaths(here, "a"))
        async for arrived in read(self, *arguments):
            yield arrived

    monkeypatch.setattr(NewMail, "read", counted)
    async with world(store) as here:
        await here.register(imap_account("a", "counted", dovecot.port))
        await here.until_state("a", "connected")
        dovecot.deliver("counted", message("Harmless"))
        await here.until_told("a", "messageNew")
        await here.sync("a")
        assert seen == [1]
        assert await deaths(here, "a") == 0


async def test_a_lost_connection_is_no_death(
    store: Store, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading that fails while the worker lives leaves no mark."""
    read = NewMail.read
    failures = iter([asyncio.CancelledError, OSError])

    async def failing(self: NewMail, *arguments: Any) -> AsyncIterator[Any]:
        async for arrived in read(self, *arguments):
            if failure := next(failures, None):
                raise failure
            yield arrived

    monkeypatch.setattr(NewMail, "read", failing)
    async with world(store) as here:
        await here.register(imap_account("a", "no-death", dovecot.port))
        await here.until_state("a", "connected")
        dovecot.deliver("no-death", message("Late"))
        await here.until_told("a", "messageNew")
        await here.sync("a")
        assert await deaths(here, "a") == 0
        assert await here.told("a", "messageMissing") == []


async def test_a_message_that_killed_too_often_is_reported_and_stops_nothing(
    store: Store, dovecot: Dovecot
) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "deadly", dovecot.port))
        await here.until_state("a", "connected")
        dovecot.deliver("deadly", message("Before"))
        (before,) = await here.until_told("a", "messageNew")
        number = (await here.mailboxes.cursors("a"))["INBOX"].number
        deadly = before.data["uid"] + 1
        owner = here.runner._held["a"].owner
        for _ in range(DEATHS_ALLOWED):
            await here.mailboxes.count_trial("a", owner, number, [deadly], by=1)
    dovecot.deliver("deadly", message("Deadly"))
    async with world(store) as here:
        (missing,) = await here.until_told("a", "messageMissing")
        assert missing.data["uid"] == deadly
        dovecot.deliver("deadly", message("After"))
        await here.until_told("a", "messageNew", 2)
        assert await here.subjects("a") == ["After", "Before"]
        assert await deaths(here, "a") == 0
