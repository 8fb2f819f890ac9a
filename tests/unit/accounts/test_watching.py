"""What a watched account announces, step by step, from a real server."""

from __future__ import annotations

import asyncio
import random

import pytest

from postroom.model.account import Account
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, message, running_dovecot
from tests.unit.accounts.watching import World, imap_account, world

pytestmark = pytest.mark.dovecot


async def connected(here: World, account: Account) -> str:
    await here.register(account)
    await here.until_state(account.account, "connected")
    return account.account


async def test_old_mail_is_not_announced(store: Store, dovecot: Dovecot) -> None:
    dovecot.deliver("old", message("Old"))
    await asyncio.sleep(1.1)  # INTERNALDATE has whole seconds
    async with world(store) as here:
        name = await connected(here, imap_account("a", "old", dovecot.port))
        dovecot.deliver("old", message("New"))
        await here.until_told(name, "messageNew")
        await here.sync(name)
        assert await here.subjects(name) == ["New"]


async def test_notify_from_reaches_back(store: Store, dovecot: Dovecot) -> None:
    dovecot.deliver("back", message("Old"))
    async with world(store) as here:
        account = imap_account("a", "back", dovecot.port, notify_from="2020-01-01T00:00:00.000Z")
        name = await connected(here, account)
        assert await here.subjects(name) == ["Old"]
        (event,) = await here.told(name, "messageNew")
        assert event.data["date"] == "2026-11-20T09:22:00.000Z"


async def test_flags_read_elsewhere_are_announced(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        name = await connected(here, imap_account("a", "flags", dovecot.port))
        dovecot.deliver("flags", message("One"))
        (new,) = await here.until_told(name, "messageNew")
        client = dovecot.client("flags")
        client.select("INBOX")
        client.store("1", "+FLAGS", "(\\Seen $Label)")
        (updated,) = await here.until_told(name, "messageUpdated")
        assert updated.data["id"] == new.data["id"]
        assert updated.data["changes"]["flags"] == {
            "added": ["\\Seen", "$Label"],
            "value": ["\\Seen", "$Label"],
        }
        client.store("1", "-FLAGS", "(\\Seen)")
        updated = (await here.until_told(name, "messageUpdated", 2))[1]
        assert updated.data["changes"]["flags"] == {"deleted": ["\\Seen"], "value": ["$Label"]}


async def test_an_expunge_is_announced(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        name = await connected(here, imap_account("a", "expunge", dovecot.port))
        for subject in ("One", "Two"):
            dovecot.deliver("expunge", message(subject))
        news = await here.until_told(name, "messageNew", 2)
        client = dovecot.client("expunge")
        client.select("INBOX")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
        (deleted,) = await here.until_told(name, "messageDeleted")
        assert deleted.data == {"id": news[0].data["id"], "uid": news[0].data["uid"]}


async def test_a_move_is_a_deletion_and_a_new_message(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        name = await connected(here, imap_account("a", "move", dovecot.port))
        dovecot.deliver("move", message("Moved"))
        await here.until_told(name, "messageNew")
        client = dovecot.client("move")
        client.select("INBOX")
        client._simple_command("MOVE", "1", "Trash")
        await here.until_told(name, "messageDeleted")
        await here.sync(name)
        first, second = await here.told(name, "messageNew")
        assert [first.path, second.path] == ["INBOX", "Trash"]
        assert (first.data["seemsLikeNew"], second.data["seemsLikeNew"]) == (True, False)


async def test_a_new_uid_validity_resets_without_announcing_old_mail(
    store: Store, dovecot: Dovecot
) -> None:
    async with world(store) as here:
        name = await connected(here, imap_account("a", "reset", dovecot.port))
        dovecot.deliver("reset", message("Before"))
        await here.until_told(name, "messageNew")
        await asyncio.sleep(1.1)  # INTERNALDATE has whole seconds
        await here.sync(name)
        before = (await here.mailboxes.cursors(name))["INBOX"]
        dovecot.doveadm(
            "mailbox", "update", "-u", "reset",
            "--uid-validity", str(before.uid_validity + 100), "INBOX",
        )  # fmt: skip
        here.watcher(name).request_reconnect()
        (event,) = await here.until_told(name, "mailboxReset")
        assert event.data["reason"] == "uidValidityChange"
        assert event.data["prevUidValidity"] == str(before.uid_validity)
        assert event.data["uidValidity"] == str(before.uid_validity + 100)
        await here.until_state(name, "connected")
        dovecot.deliver("reset", message("After"))
        await here.until_told(name, "messageNew", 2)
        await here.sync(name)
        assert await here.subjects(name) == ["After", "Before"]
        after = (await here.mailboxes.cursors(name))["INBOX"]
        assert (after.uid_validity, after.messages) == (before.uid_validity + 100, 2)
        assert after.number != before.number
        assert await here.mailboxes.blocks(name, before.number) == {}


async def test_a_lost_index_is_built_anew(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        name = await connected(here, imap_account("a", "lost", dovecot.port))
        dovecot.deliver("lost", message("One"))
        await here.until_told(name, "messageNew")
        await asyncio.sleep(1.1)  # INTERNALDATE has whole seconds
        await here.sync(name)
        number = (await here.mailboxes.cursors(name))["INBOX"].number
        await store.command("DEL", store.keys.index(name, number))
        here.watcher(name).request_reconnect()
        (event,) = await here.until_told(name, "mailboxReset")
        assert event.data["reason"] == "syncStateLost"
        await here.until_state(name, "connected")
        await here.sync(name)
        assert len(await here.told(name, "messageNew")) == 1
        assert await here.mailboxes.blocks(name, number)


async def test_mailboxes_that_come_and_go_are_announced(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        name = await connected(here, imap_account("a", "tree", dovecot.port))
        client = dovecot.client("tree")
        client.create("Work/Plans")
        await here.sync(name)
        (event,) = await here.told(name, "mailboxNew")
        assert (event.data["path"], event.data["name"]) == ("Work/Plans", "Plans")
        assert event.data["specialUse"] is False
        client.delete("Work/Plans")
        await here.sync(name)
        (event,) = await here.until_told(name, "mailboxDeleted")
        assert event.data["path"] == "Work/Plans"
        assert "Work/Plans" not in await here.mailboxes.cursors(name)


async def test_only_tracked_mailboxes_are_watched(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        account = imap_account("a", "some", dovecot.port, path=("INBOX", "\\Sent"))
        name = await connected(here, account)
        assert set(await here.mailboxes.cursors(name)) == {"INBOX", "Sent"}


async def test_a_wrong_password_is_an_authentication_error_until_it_is_right(
    store: Store, dovecot: Dovecot
) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "wrong", dovecot.port, password="no"))
        await here.until_state("a", "authenticationError")
        (event,) = await here.until_told("a", "authenticationError")
        assert event.data["serverResponseCode"] == "AUTHENTICATIONFAILED"

        async def has_tried_again() -> bool:
            error = (await here.status("a")).last_error
            return error is not None and error.count >= 2

        await here.until(has_tried_again)
        assert len(await here.told("a", "authenticationError")) == 1
        await here.accounts.replace(imap_account("a", "wrong", dovecot.port))
        await here.until_state("a", "connected")
        assert len(await here.told("a", "authenticationSuccess")) == 1
        assert (await here.status("a")).last_error is None


async def test_a_server_that_is_away_is_a_connect_error_told_once(store: Store) -> None:
    with running_dovecot() as server:
        async with world(store) as here:
            name = await connected(here, imap_account("a", "away", server.port))
            server.stop()
            await here.until_state(name, "connectError")
            server.start()
            await here.until_state(name, "connected")
            server.deliver("away", message("Back"))
            await here.until_told(name, "messageNew")
            assert len(await here.told(name, "connectError")) == 1
            assert len(await here.told(name, "accountInitialized")) == 1


async def test_an_account_without_imap_is_unset(store: Store, dovecot: Dovecot) -> None:
    async with world(store) as here:
        await here.register(imap_account("a", "none", dovecot.port, imap={"disabled": True}))
        await here.until_state("a", "unset")
        assert await here.events("a") == []


async def test_a_thousand_messages_are_indexed_silently(store: Store, dovecot: Dovecot) -> None:
    client = dovecot.client("many")
    for _ in range(10):
        dovecot.deliver("many", message("Old"))
    for _ in range(7):
        client.select("INBOX")
        client.copy("1:*", "INBOX")
    await asyncio.sleep(1.1)  # INTERNALDATE has whole seconds
    async with world(store) as here:
        name = await connected(here, imap_account("a", "many", dovecot.port))
        cursor = (await here.mailboxes.cursors(name))["INBOX"]
        assert cursor.messages == 1280
        blocks = await here.mailboxes.blocks(name, cursor.number)
        assert sum(map(len, blocks.values())) < 16 * cursor.messages
        assert await here.told(name, "messageNew") == []


@pytest.mark.parametrize("capability", [None, "IMAP4rev1 IDLE", "IMAP4rev1"])
async def test_any_history_is_told_exactly_once_across_kills(
    store: Store, dovecot: Dovecot, capability: str | None
) -> None:
    """Deliveries, expunges and flags at random, while the worker is cut off again and again."""
    if capability is None:
        await _history(store, dovecot, random.Random(1))
        return
    with running_dovecot(f"imap_capability = {capability}") as old:
        await _history(store, old, random.Random(2))


async def _history(store: Store, server: Dovecot, dice: random.Random) -> None:
    delivered: list[str] = []
    client = server.client("history")
    client.select("INBOX")
    async with world(store) as here:
        await connected(here, imap_account("h", "history", server.port))
    for _ in range(4):
        async with world(store) as here:
            # The account stays with this worker: the kill is the world's end.
            for _ in range(12):
                _random_change(client, delivered, dice)
                await asyncio.sleep(dice.random() * 0.05)
    client.noop()
    async with world(store) as here:
        await here.until_state("h", "connected")
        await here.sync("h")
        news = await here.told("h", "messageNew")
        assert sorted(event.data["subject"] for event in news) == sorted(
            {event.data["subject"] for event in news}
        )
        gone = [event.data["id"] for event in await here.told("h", "messageDeleted")]
        assert len(gone) == len(set(gone))
        left = {event.data["id"]: event for event in news if event.data["id"] not in gone}
        flags = {one: set(event.data.get("flags", ())) for one, event in left.items()}
        for event in await here.told("h", "messageUpdated"):
            if event.data["id"] in flags:
                flags[event.data["id"]] = set(event.data["changes"]["flags"]["value"])
        there = _listing(client)
        assert {event.data["uid"] for event in left.values()} == set(there)
        assert {left[one].data["uid"]: value for one, value in flags.items()} == there


def _random_change(client: object, delivered: list[str], dice: random.Random) -> None:
    imap = client
    assert hasattr(imap, "append")
    kind = dice.choice(["deliver", "deliver", "flag", "expunge"])
    if kind == "deliver":
        subject = f"m{len(delivered)}"
        delivered.append(subject)
        imap.append("INBOX", "", "", message(subject))
        return
    uids = sorted(_listing(imap))
    if not uids:
        return
    uid = str(dice.choice(uids))
    if kind == "flag":
        mode, flag = dice.choice("+-"), dice.choice(["\\Seen", "red", "blue"])
        imap.uid("STORE", uid, f"{mode}FLAGS", f"({flag})")
    else:
        imap.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
        imap.expunge()


def _listing(client: object) -> dict[int, set[str]]:
    assert hasattr(client, "uid")
    _, lines = client.uid("FETCH", "1:*", "(FLAGS)")
    found: dict[int, set[str]] = {}
    for line in lines:
        if not line:
            continue
        text = line.decode()
        uid = int(text.split("UID ")[1].split()[0].rstrip(")"))
        flags = text.split("FLAGS (")[1].split(")")[0].split()
        found[uid] = {flag for flag in flags if flag != "\\Recent"}
    return found
