"""The same things asked of an account on every kind of mail server, with the same answers.

The proxy in between notes what the product says: an extension that a server does not announce must
not be used, even where the server would obey. (Where the server has TLS there is nothing to see.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.model.message import FlagChange
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    DownloadSource,
    GetMessage,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    SearchMessages,
    UpdateMessage,
)
from postroom.providers.interface import Answering
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.fakes.fault_proxy import FaultProxy, fault_proxy
from tests.fakes.profiles import PROFILES, USER, MailServer
from tests.unit.accounts.watching import World, imap_account, world

CLOCK = SystemClock()
NAME = "a"
# What says that an extension is used: RFC 2177, 7162, 4315, 6851, 5819, 5258, 5465, 5161, 2971,
# 2342, 3691, 4731, 5032, 3516, 4959, 7888, 4978, 8970, 8474, 8514, 9051.
_USES = {
    "IDLE": rb" IDLE\r\n",
    "QRESYNC": rb"QRESYNC|VANISHED",
    "CONDSTORE": rb"CONDSTORE|CHANGEDSINCE|MODSEQ",
    "UIDPLUS": rb"UID EXPUNGE",
    "MOVE": rb" (UID )?MOVE ",
    "LIST-STATUS": rb"RETURN \([^)]*STATUS \(",
    "LIST-EXTENDED": rb" LIST \((?!\))| LIST [^\r\n]* RETURN \(",
    "NOTIFY": rb" NOTIFY ",
    "ENABLE": rb" ENABLE ",
    "ID": rb" ID \(| ID NIL",
    "NAMESPACE": rb" NAMESPACE\r\n",
    "UNSELECT": rb" UNSELECT\r\n",
    "ESEARCH": rb"SEARCH RETURN",
    "WITHIN": rb" (OLDER|YOUNGER) ",
    "BINARY": rb"BINARY",
    "SASL-IR": rb"AUTHENTICATE [A-Z0-9]+ \S",
    "LITERAL+": rb"\{\d+\+\}\r\n",
    "COMPRESS=DEFLATE": rb" COMPRESS ",
    "PREVIEW": rb" PREVIEW",
    "OBJECTID": rb"EMAILID|THREADID|MAILBOXID",
    "SAVEDATE": rb"SAVEDATE",
    "IMAP4REV2": rb"IMAP4rev2",
}


@dataclass
class Place:
    """A server of one kind, and an account of it under watch."""

    server: MailServer
    proxy: FaultProxy
    here: World
    capabilities: frozenset[str]

    @property
    def answering(self) -> Answering:
        found = self.here.runner._held[NAME].answering
        assert found is not None
        return found

    async def deliver(self, subject: str, mailbox: str = "INBOX", flags: str = "") -> None:
        raw = message(subject)
        await asyncio.to_thread(self.server.deliver, USER, raw, mailbox, flags)

    async def create(self, mailbox: str) -> None:
        client = await asyncio.to_thread(self.server.client, USER)
        await asyncio.to_thread(client.create, mailbox)
        await asyncio.to_thread(client.logout)

    async def subjects(self, path: str = "INBOX") -> list[str]:
        """The subjects as a list shows them: newest first."""
        page = await self.answering.list_messages(ListMessages(path=path), soon())
        return [str(one.subject) for one in page.messages]

    async def until_stopped(self) -> None:
        async def is_noticed() -> bool:
            self.here.watcher(NAME).request_sync()
            return (await self.here.status(NAME)).state == "connectError"

        await self.here.until(is_noticed)

    async def told_new(self, *subjects: str) -> list[tuple[str, str]]:
        """Where messages of these subjects were announced, leaving out a mailbox of all mail."""
        told = await self.here.told(NAME, "messageNew")
        return sorted(
            (event.data["subject"], event.path or "")
            for event in told
            if event.data["subject"] in subjects and event.path != "[All]/Mail"
        )

    def used(self) -> set[str]:
        """The extensions whose words the product said."""
        said = bytes(self.proxy.transcript or b"")
        is_clear = re.search(rb" (LOGIN|AUTHENTICATE) ", said) is not None
        assert is_clear or "STARTTLS" in self.capabilities
        return {name for name, pattern in _USES.items() if re.search(pattern, said)}


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


# Of a Gmail everything is told of All Mail; its histories show that.
SERVERS = [name for name in PROFILES if name != "gmail"]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    profile = PROFILES[request.param]
    if missing := profile.missing():
        pytest.skip(missing)
    with profile.run() as started:
        yield started


def _announced(server: MailServer) -> frozenset[str]:
    client = server.client(USER)
    # What a server says before and after the login.
    words = {*client.capabilities, *client.capability()[1][-1].decode().upper().split()}
    client.logout()
    return frozenset(words)


@asynccontextmanager
async def placed(server: MailServer, store: Store) -> AsyncIterator[Place]:
    """The account, connected, with at least one other mailbox."""
    capabilities = await asyncio.to_thread(_announced, server)
    async with fault_proxy(server.port) as proxy, world(store) as here:
        proxy.transcript = bytearray()
        place = Place(server, proxy, here, capabilities)
        await place.create("Elsewhere")
        await place.create("Trash")
        await here.register(imap_account(NAME, USER, proxy.port))
        await here.until_state(NAME, "connected")
        yield place


async def test_messages_are_read_changed_moved_and_deleted(
    server: MailServer, store: Store
) -> None:
    async with placed(server, store) as place:
        await place.deliver("one")
        await place.deliver("two", flags="(\\Seen)")
        answering = place.answering
        assert (await place.subjects())[:2] == ["two", "one"]
        page = await answering.list_messages(ListMessages(path="INBOX"), soon())
        two, one = page.messages[:2]
        shown = await answering.get_message(GetMessage(message=one.id, text_type="*"), soon())
        assert shown.text is not None
        assert (shown.text.plain or "").strip() == "Hello there."
        change = FlagChange(add=("\\Flagged",))
        await answering.update_message(UpdateMessage(message=one.id, flags=change), soon())
        asked = SearchMessages(path="INBOX", search={"flagged": True})
        assert [m.id for m in (await answering.search_messages(asked, soon())).messages] == [one.id]
        source = await answering.download_source(DownloadSource(message=two.id), soon())
        assert b"Subject: two" in b"".join([chunk async for chunk in source.chunks])
        await answering.move_message(MoveMessage(message=one.id, path="Elsewhere"), soon())
        assert "one" not in await place.subjects()
        assert (await place.subjects("Elsewhere"))[0] == "one"
        stored = AppendMessage(path="Elsewhere", raw=message("stored"), flags=("\\Seen",))
        await answering.append_message(stored, soon())
        assert (await place.subjects("Elsewhere"))[0] == "stored"
        await answering.delete_message(DeleteMessage(message=two.id, force=True), soon())
        assert "two" not in await place.subjects()
        paths = [
            mailbox.path
            for mailbox in (await answering.list_mailboxes(ListMailboxes(), soon())).mailboxes
        ]
        assert {"INBOX", "Elsewhere", "Trash"} <= set(paths)
        assert place.used() <= place.capabilities


async def test_what_happens_is_told_and_nothing_is_used_that_is_not_announced(
    server: MailServer, store: Store
) -> None:
    async with placed(server, store) as place:
        here = place.here
        await place.deliver("first")
        await place.deliver("elsewhere", "Elsewhere")
        await here.sync(NAME)
        await here.until_told(NAME, "messageNew", 2)
        client = await asyncio.to_thread(server.client, USER)
        client.select("INBOX")
        client.store("*", "+FLAGS", "(\\Answered)")
        await here.sync(NAME)
        await here.until_told(NAME, "messageUpdated")
        client.store("*", "+FLAGS", "(\\Deleted)")
        client.expunge()
        await here.sync(NAME)
        await here.until_told(NAME, "messageDeleted")
        client.create("Fresh")
        await here.sync(NAME)
        await here.until_told(NAME, "mailboxNew")
        client.delete("Fresh")
        here.watcher(NAME).request_sync()
        await here.until_told(NAME, "mailboxDeleted")
        client.logout()
        told = await place.told_new("first", "elsewhere")
        assert told == [("elsewhere", "Elsewhere"), ("first", "INBOX")]
        assert place.used() <= place.capabilities


async def test_a_restart_of_the_server_is_survived_and_nothing_told_twice(
    server: MailServer, store: Store
) -> None:
    async with placed(server, store) as place:
        here = place.here
        await place.deliver("before")
        await here.sync(NAME)
        await here.until_told(NAME, "messageNew")
        await asyncio.to_thread(server.stop)
        await place.until_stopped()
        await asyncio.to_thread(server.start)
        await here.until_state(NAME, "connected")
        # INTERNALDATE has whole seconds, and a server that lost everything begins anew.
        await asyncio.sleep(1.1)
        await place.deliver("after")
        await here.sync(NAME)
        await here.until_told(NAME, "messageNew", 2)
        told = await place.told_new("before", "after")
        assert told == [("after", "INBOX"), ("before", "INBOX")]
        assert await here.told(NAME, "authenticationError") == []
