"""A worker with accounts on a real server: connected, watched, given up."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from postroom.accounts import runner
from postroom.accounts.holding import Holding
from postroom.clock import Deadline, SystemClock
from postroom.errors import WorkerNotAvailable
from postroom.model.operations import ListMailboxes
from postroom.model.wire import encode_packed
from postroom.net.imap import ImapConnection
from postroom.store.connection import Store
from postroom.store.wake import wake, worker_topic
from tests.fakes.dovecot import Dovecot, message
from tests.unit.accounts.watching import WORKER, World, imap_account, world

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


async def test_a_held_account_answers_and_another_does_not(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "runner3", dovecot.port))
        await here.until_state("a", "connected")
        deadline = Deadline.after(SystemClock(), 10)
        body = encode_packed(ListMailboxes())
        answer = await here.runner.answer("a", "list_mailboxes", body, deadline)
        assert isinstance(answer, bytes)
        assert b'"INBOX"' in answer
        with pytest.raises(WorkerNotAvailable):
            await here.runner.answer("b", "list_mailboxes", body, deadline)


async def test_an_account_that_moved_to_another_worker_is_let_go(
    store: Store, dovecot: Dovecot
) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "runner4", dovecot.port))
        await here.until_state("a", "connected")
        await here.owners.assign("a", "another")

        async def is_gone() -> bool:
            return not here.runner.held

        await here.until(is_gone)
        dovecot.deliver("runner4", message("For the other"))
        assert await here.told("a", "messageNew") == []


async def test_draining_gives_every_account_back(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        for name in ("a", "b"):
            await here.register(imap_account(name, f"runner5{name}", dovecot.port))
            await here.until_state(name, "connected")
        await here.runner.drain()
        assert here.runner.held == frozenset()
        assert await here.owners.owned_by(WORKER) == {}


async def test_a_crashing_watcher_leaves_the_others_alone(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await here.register(imap_account("bad", "runner6", dovecot.port))
        # Not JSON: reading the cursors fails in a way that no code expects.
        await store.command("HSET", store.keys.account("bad", "mailboxes"), "INBOX", "no json")
        await here.register(imap_account("good", "runner7", dovecot.port))
        await here.until_state("good", "connected")
        dovecot.deliver("runner7", message("Good"))
        await here.until_told("good", "messageNew")
        assert "bad" in here.runner.held


async def test_an_account_whose_secrets_do_not_open_leaves_the_others_alone(
    store: Store, dovecot: Dovecot
) -> None:
    async with world(store) as here:
        # A password of a sealed text's shape, in a service without a secret: nobody can open it.
        sealed = f"$wd01$aes-256-gcm${'0' * 32}${'0' * 24}${'0' * 32}$00"
        await here.register(imap_account("bad", "runner9", dovecot.port, password=sealed))
        await here.register(imap_account("good", "runner10", dovecot.port))
        await here.until_state("good", "connected")
        assert here.runner.held == {"good"}


async def test_a_deleted_account_is_let_go(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "runner8", dovecot.port))
        await here.until_state("a", "connected")
        await here.accounts.delete("a", [])

        async def is_gone() -> bool:
            return not here.runner.held

        await here.until(is_gone)
        assert [key async for key in keys_of(store)] == []


async def test_an_account_that_vanished_without_a_wake_up_is_let_go_by_the_slow_look(
    store: Store, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LOOK_S", 0.05)
    monkeypatch.setattr(runner, "RECORDS_LOOK_S", 0.3)
    async with world(store) as here:
        await here.register(imap_account("a", "runner11", dovecot.port))
        await here.until_state("a", "connected")
        # Restored from an older dump, say: nothing is published, no owner changes.
        await store.command("DEL", store.keys.account("a"))

        async def is_gone() -> bool:
            return not here.runner.held

        await here.until(is_gone)


async def keys_of(store: Store) -> AsyncIterator[bytes]:
    for key in await store.command("KEYS", "*"):
        if b":a" in key and not key.endswith(b"owners"):
            yield key


async def test_a_connection_that_ends_badly_does_not_keep_its_account_from_being_given_up(
    monkeypatch: pytest.MonkeyPatch, store: Store, dovecot: Dovecot
) -> None:
    close = ImapConnection.close

    async def close_badly(self: ImapConnection) -> None:
        await close(self)
        raise RuntimeError("the handler is closed")

    async with world(store) as here:
        await here.register(imap_account("a", "runner-bad", dovecot.port))
        await here.until_state("a", "connected")
        with monkeypatch.context() as patch:
            patch.setattr(ImapConnection, "close", close_badly)
            await here.accounts.update(
                "a", lambda account: msgspec.structs.replace(account, imap_indexer="fast")
            )
            await wake(store, worker_topic(WORKER))
            before = here.runner._held["a"]
            await here.until(lambda: _is_other(here, before))
        await here.until_state("a", "connected")
        dovecot.deliver("runner-bad", message("One"))
        await here.until_told("a", "messageNew")
        assert before._task is not None
        assert before._task.done()


async def _is_other(here: World, before: Holding) -> bool:
    return here.runner._held.get("a") not in {before, None}
