"""A worker with accounts on a real server: connected, watched, given up."""

from __future__ import annotations

import pytest

from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, message
from tests.unit.accounts.watching import imap_account, world

pytestmark = pytest.mark.dovecot


async def test_a_registered_account_becomes_connected(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "runner1", dovecot.port))
        await here.until_state("a", "connected")
        names = [event.event for event in await here.events("a")]
        assert names == ["authenticationSuccess", "accountInitialized"]
        assert (await here.status("a")).sync_time is not None


async def test_a_delivered_message_is_announced_once(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "runner2", dovecot.port))
        await here.until_state("a", "connected")
        dovecot.deliver("runner2", message("One", text="Body text\n"))
        (event,) = await here.until_told("a", "messageNew")
        assert event.data["subject"] == "One"
        assert event.data["text"]["plain"].strip() == "Body text"
        assert event.path == "INBOX"
        assert event.special_use == "\\Inbox"
        assert event.data["seemsLikeNew"] is True
        await here.sync("a")
        assert await here.subjects("a") == ["One"]
