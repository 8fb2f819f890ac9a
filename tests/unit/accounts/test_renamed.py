"""A renamed mailbox: gone and new, and its mail is announced no second time."""

from __future__ import annotations

import pytest

from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, message
from tests.unit.accounts.watching import imap_account, world

LONG_AGO = "2001-01-01T00:00:00.000Z"


@pytest.mark.dovecot
async def test_a_real_server_keeps_the_uids(store: Store, dovecot: Dovecot) -> None:
    client = dovecot.client("renamed")
    client.create("Work/Plans")
    dovecot.deliver("renamed", message("old"), "Work/Plans")
    async with world(store) as here:
        account = imap_account("a", "renamed", dovecot.port, notify_from=LONG_AGO)
        await here.register(account)
        await here.until_told("a", "messageNew")
        await here.until_state("a", "connected")
        client.rename("Work", "Done")
        dovecot.deliver("renamed", message("new"), "Done/Plans")
        await here.sync("a")
        await here.until_told("a", "messageNew", 2)
        (gone,) = await here.until_told("a", "mailboxDeleted")
        (come,) = await here.until_told("a", "mailboxNew")
        assert (gone.data["path"], come.data["path"]) == ("Work/Plans", "Done/Plans")
        first, second = await here.told("a", "messageNew")
        assert (first.path, second.path) == ("Work/Plans", "Done/Plans")
        assert (first.data["subject"], second.data["subject"]) == ("old", "new")
        assert (await here.mailboxes.cursors("a"))["Done/Plans"].messages == 2
        # From then on it is a mailbox as any other.
        client.select("Done/Plans")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
        await here.sync("a")
        (deleted,) = await here.until_told("a", "messageDeleted")
        assert deleted.path == "Done/Plans"


@pytest.mark.parametrize("indexer", ["full", "fast"])
@pytest.mark.parametrize("also", [(), ("OBJECTID",), ("OBJECTID", "QRESYNC")])
async def test_mail_that_came_meanwhile_is_told(
    store: Store, also: tuple[str, ...], indexer: str
) -> None:
    mail = MailStore()
    mail.add_account("u", "secret")
    mail.create("u", "Old")
    mail.deliver("u", message("before"), "Old")
    server = ImapServer(mail, also=also)
    await server.start()
    async with world(store) as here:
        account = imap_account("a", "u", server.port, notify_from=LONG_AGO, imap_indexer=indexer)
        await here.register(account)
        await here.until_told("a", "messageNew")
        await here.until_state("a", "connected")
        mail.deliver("u", message("unseen"), "Old")
        mail.rename("u", "Old", "New")
        mail.deliver("u", message("after"), "New")
        await here.sync("a")
        await here.until_told("a", "mailboxDeleted")
        assert await here.subjects("a") == ["after", "before", "unseen"]
        mail.create("u", "Old")
        mail.deliver("u", message("another"), "Old")
        await here.sync("a")
        assert await here.subjects("a") == ["after", "another", "before", "unseen"]
    await server.stop()
