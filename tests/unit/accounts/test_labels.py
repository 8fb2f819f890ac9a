"""Gmail's labels are part of the index: what changes about them is told (X-GM-EXT-1)."""

from __future__ import annotations

import pytest

from postroom.demo.gmail import ALL_MAIL, TRASH, add_gmail_account
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.watching import imap_account, world

LONG_AGO = "2001-01-01T00:00:00.000Z"


@pytest.mark.parametrize("hidden", [(), ("CONDSTORE",)], ids=["condstore", "plain"])
async def test_labels_that_come_and_go_are_told(store: Store, hidden: tuple[str, ...]) -> None:
    mail = MailStore()
    labels = add_gmail_account(mail, "u", "secret")
    mail.create("u", "Work")
    mail.deliver("u", message("one"))
    server = ImapServer(mail, hidden=hidden, also=("X-GM-EXT-1",))
    await server.start()
    try:
        async with world(store) as here:
            await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
            (new,) = await here.until_told("a", "messageNew")
            await here.until_state("a", "connected")
            assert (new.path, new.data["labels"]) == (ALL_MAIL, ["\\Inbox"])
            assert new.data["emailId"]
            everything = mail.mailbox("u", ALL_MAIL)
            labels.change(everything, everything.messages[1], "+", ["Work"])
            (told,) = await here.until_told("a", "messageUpdated")
            assert told.data["id"] == new.data["id"]
            assert told.data["changes"] == {
                "labels": {"added": ["Work"], "value": ["\\Inbox", "Work"]}
            }
            labels.change(everything, everything.messages[1], "-", ["\\Inbox"])
            told = (await here.until_told("a", "messageUpdated", 2))[1]
            assert told.data["changes"] == {"labels": {"deleted": ["\\Inbox"], "value": ["Work"]}}
            everything.set_flags(1, ("\\Seen",))
            told = (await here.until_told("a", "messageUpdated", 3))[2]
            assert told.data["changes"] == {"flags": {"added": ["\\Seen"], "value": ["\\Seen"]}}
            await here.sync("a")
            assert len(await here.told("a", "messageUpdated")) == 3
    finally:
        await server.stop()


async def test_mail_thrown_away_is_gone_from_all_mail_and_new_in_the_trash(store: Store) -> None:
    mail = MailStore()
    add_gmail_account(mail, "u", "secret")
    mail.deliver("u", message("one"))
    server = ImapServer(mail, also=("X-GM-EXT-1",))
    await server.start()
    try:
        async with world(store) as here:
            await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
            (new,) = await here.until_told("a", "messageNew")
            await here.until_state("a", "connected")
            kept = mail.mailbox("u", ALL_MAIL).messages[1]
            mail.mailbox("u", TRASH).add(kept.raw, kept.flags, kept.internal_date_ms, kept)
            (gone,) = await here.until_told("a", "messageDeleted")
            assert gone.data["id"] == new.data["id"]
            await here.sync("a")
            again = (await here.until_told("a", "messageNew", 2))[1]
            assert (again.path, again.data["emailId"]) == (TRASH, new.data["emailId"])
    finally:
        await server.stop()


async def test_flag_news_without_labels_take_none_off(store: Store) -> None:
    mail = MailStore()
    add_gmail_account(mail, "u", "secret")
    mail.deliver("u", message("one"))
    server = ImapServer(mail, also=("X-GM-EXT-1",))
    await server.start()
    try:
        async with world(store) as here:
            await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
            await here.until_state("a", "connected")
            cursor = (await here.mailboxes.cursors("a"))[ALL_MAIL]
            assert cursor.keywords == ("%\\Inbox",)
            for flags in (("\\Seen",), (), ("\\Flagged",)):
                mail.mailbox("u", ALL_MAIL).set_flags(1, flags)
                await here.sync("a")
            told = await here.told("a", "messageUpdated")
            assert [list(one.data["changes"]) for one in told] == [["flags"]] * len(told)
    finally:
        await server.stop()
