"""The commands against real servers: what one sends is what the other takes, with and without
extensions."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.imap.commands import (
    Append,
    Check,
    Close,
    Copy,
    Create,
    Delete,
    Enable,
    EventGroup,
    Expunge,
    Fetch,
    FetchPart,
    Find,
    FindThreads,
    GetQuotaRoot,
    Id,
    ListMailboxes,
    Namespace,
    NewMessage,
    Noop,
    Notify,
    Rename,
    Search,
    Select,
    Sort,
    Status,
    Store,
    Subscribe,
    Unselect,
    Unsubscribe,
    append_all,
    fetch_part,
    move,
)
from postroom.imap.commands.exchange import Command
from postroom.imap.errors import ImapRefused
from postroom.imap.types import NamespacePart, Quota, Thread, Told, Unsolicited
from postroom.model.account import Credentials, ImapServer
from postroom.model.secret import Secret
from postroom.net.imap import ImapConnection
from tests.fakes import cyrus_tree
from tests.fakes.cyrus import running_cyrus
from tests.fakes.dovecot import PASSWORD, message, running_dovecot

pytestmark = pytest.mark.dovecot
CLOCK = SystemClock()
USERS = itertools.count()
SERVERS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "dovecot": partial(running_dovecot, "ssl = no\n"),
    "old dovecot": partial(running_dovecot, "ssl = no\nimap_capability = IMAP4rev1\n"),
    "cyrus": running_cyrus,
}
FLAGGED = ("\\Flagged",)


class Talk:
    """A connection of a user of its own."""

    def __init__(self, connection: ImapConnection, user: str) -> None:
        self.connection = connection
        self.user = user
        self.has = connection.has
        self.news: list[Unsolicited] = []
        connection.on_unsolicited = self.news.append

    async def run(self, command: Command[Any]) -> Any:
        return await self.connection.run(command, Deadline.after(CLOCK, 20))

    async def fill(self, *subjects: str) -> None:
        for subject in subjects:
            await self.run(Append("INBOX", message(subject)))

    async def select(self, path: str = "INBOX") -> Any:
        return await self.run(Select(path))


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "cyrus" and not cyrus_tree.is_there():
        pytest.skip("needs `python -m tests.fakes.cyrus_tree`")
    with SERVERS[request.param]() as started:
        yield started


@pytest_asyncio.fixture
async def talk(server: Any) -> AsyncIterator[Talk]:
    deadline = Deadline.after(CLOCK, 20)
    where = ImapServer(host="127.0.0.1", port=server.port)
    connection = await ImapConnection.open(where, clock=CLOCK, deadline=deadline)
    user = f"talker{next(USERS)}"
    await connection.login(Credentials(user=user, password=Secret(PASSWORD)), deadline)
    yield Talk(connection, user)
    await connection.close()


async def test_mailboxes_live_from_create_to_delete(talk: Talk) -> None:
    await talk.run(Create("Old", "\\Archive"))
    made = await talk.run(Create("Entw\u00fcrfe & \u65e5\u672c"))
    assert (made.mailbox_id is not None) == talk.has("OBJECTID")
    assert made.path == "Entw\u00fcrfe & \u65e5\u672c"
    await talk.run(Subscribe(made.path))
    subscribed = await talk.run(ListMailboxes(select=("SUBSCRIBED",)))
    assert made.path in [mailbox.path for mailbox in subscribed]
    await talk.run(Unsubscribe(made.path))
    subscribed = await talk.run(ListMailboxes(is_lsub=True))
    assert made.path not in [mailbox.path for mailbox in subscribed]
    await talk.run(Rename(made.path, "New/Name"))
    listed = await talk.run(ListMailboxes(patterns=("New/%", "Sent")))
    second = {"Sent"} if talk.has("LIST-EXTENDED") else set()
    assert {one.path for one in listed} == {"New/Name"} | second
    await talk.run(Delete("New/Name"))
    with pytest.raises(ImapRefused):
        await talk.run(Select("New/Name"))


async def test_a_listing_tells_uses_and_counters_as_far_as_the_server_does(talk: Talk) -> None:
    await talk.fill("a")
    asked = ListMailboxes(
        return_special_use=True,
        return_children=True,
        return_subscribed=True,
        return_status=("MESSAGES", "UIDNEXT", "HIGHESTMODSEQ", "SIZE", "MAILBOXID", "APPENDLIMIT"),
    )
    listed = {mailbox.path: mailbox for mailbox in await talk.run(asked)}
    assert listed["Sent"].has("\\Sent")
    status = listed["INBOX"].status
    assert (status.messages if status else None) == (1 if talk.has("LIST-STATUS") else None)
    uses = await talk.run(ListMailboxes(select=("SPECIAL-USE",)))
    assert {one.path for one in uses} == {"Drafts", "Sent", "Trash", "Junk"}
    everything = ("MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "SIZE")
    counted = await talk.run(Status("INBOX", (*everything, "DELETED", "MAILBOXID")))
    assert (counted.messages, counted.uid_next) == (1, 2)


async def test_what_needs_nothing_works_everywhere(talk: Talk) -> None:
    delimiter = "/" if talk.has("NAMESPACE") else None
    assert (await talk.run(Namespace())).personal == (NamespacePart("", delimiter),)
    assert await talk.run(GetQuotaRoot()) == ((Quota("INBOX"),) if talk.has("QUOTA") else ())
    assert (await talk.run(Id({"name": "test"})))["name"] in ("Dovecot", "Cyrus IMAPD")
    await talk.select()
    await talk.run(Check())
    await talk.run(Noop())
    await talk.run(Unselect())
    await talk.run(Select("INBOX", read_only=True))
    await talk.run(Unselect(is_read_only=True))
    await talk.select()
    await talk.run(Close())


async def test_searches_find_the_same_with_and_without_extensions(talk: Talk) -> None:
    await talk.fill("a", "b", "c", "d")
    await talk.select()
    await talk.run(Store("2", FLAGGED, "add", silent=True))
    found = await talk.run(Find(("UNFLAGGED",), wanted=("ALL", "MIN", "MAX", "COUNT")))
    assert found.numbers.ranges == ((1, 1), (3, 4))
    assert (found.least, found.most, found.count) == (1, 4, 3)
    counted = await talk.run(Find(("FLAGGED",), wanted=("COUNT",)))
    assert counted.count == 1
    assert await talk.run(Search(("UID", "9"))) == ()
    assert (await talk.run(Find(("UID", "9"), wanted=("COUNT",)))).count == 0
    assert await talk.run(Search(("SUBJECT", "caf\u00e9"))) == ()
    assert await talk.run(Search(("OR", ("SUBJECT", "a"), "FLAGGED"))) == (1, 2)
    if talk.has("SEARCHRES"):
        await talk.run(Find(("UNFLAGGED",), save=True))
        saved = await talk.run(Fetch("$", "(UID)"))
        assert [message.uid for message in saved] == [1, 3, 4]
    if talk.has("WITHIN"):
        assert await talk.run(Search(("YOUNGER", 3600, "NOT", "OLDER", 3600))) == (1, 2, 3, 4)
        assert await talk.run(Search(("MODSEQ", 1, "SAVEDSINCE", "1-Jan-2020"))) == (1, 2, 3, 4)
    if talk.has("SORT"):
        assert await talk.run(Sort(("REVERSE SUBJECT",))) == (4, 3, 2, 1)
        threads = await talk.run(FindThreads())
        assert set(threads) == {Thread(1), Thread(2), Thread(3), Thread(4)}


async def test_several_messages_are_stored(talk: Talk) -> None:
    some = [NewMessage(message(name), ("\\Seen", "$x"), 1_700_000_000_000) for name in "abc"]
    stored = await append_all(talk.run, talk.connection.offered, "INBOX", some)
    # Dovecot hides the name of an extension, not the extension.
    assert [one.uid for one in stored] == [1, 2, 3]
    assert (await talk.select()).exists == 3
    for told in await talk.run(Fetch("1:*", "(UID FLAGS INTERNALDATE)")):
        assert set(told.flags) == {"\\Seen", "$x"}
        assert told.internal_date_ms == 1_700_000_000_000


async def test_parts_are_decoded_by_the_server_where_it_can(talk: Talk) -> None:
    raw = (
        b"Subject: a\r\nMIME-Version: 1.0\r\nContent-Type: application/x\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nAAEC/w==\r\n"
    )
    await talk.run(Append("INBOX", raw))
    await talk.run(Append("INBOX", raw.replace(b"base64", b"x-own")))
    await talk.select()
    part = await talk.run(FetchPart(1, "1"))
    assert part.is_decoded == talk.has("BINARY")
    assert part.data == (b"\0\1\2\xff" if part.is_decoded else b"AAEC/w==\r\n")
    undecodable = await fetch_part(talk.run, 2, "1")
    assert undecodable is not None
    assert (undecodable.data, undecodable.is_decoded) == (b"AAEC/w==\r\n", False)
    assert await talk.run(FetchPart(99, "1")) is None


async def test_messages_are_copied_moved_and_removed(talk: Talk) -> None:
    await talk.fill("a", "b", "c")
    await talk.select()
    copied = await talk.run(Copy("1:2", "Sent"))
    assert copied.destination == (1, 2)
    await move(talk.run, talk.connection.offered, "3", "Trash")
    assert (await talk.run(Status("Trash"))).messages == 1
    await talk.run(Store("1", ("\\Deleted",), "add"))
    await talk.run(Expunge("1" if talk.has("UIDPLUS") else None))
    assert await talk.run(Search()) == (2,)


async def test_only_what_is_offered_is_enabled(talk: Talk) -> None:
    enabled = await talk.run(Enable(("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2")))
    assert enabled == (frozenset(("CONDSTORE", "QRESYNC") if talk.has("QRESYNC") else ()))


async def test_news_of_other_mailboxes_are_told(talk: Talk, server: Any) -> None:
    if not talk.has("NOTIFY"):
        pytest.skip("NOTIFY is not offered")
    await talk.select()
    events = ("MessageNew", "MessageExpunge", "FlagChange", "MailboxName")
    groups = (EventGroup("selected", events[:3]), EventGroup("personal", events))
    counted = await talk.run(Notify(groups, status=True))
    assert {status.path for status in counted} == {"Drafts", "Sent", "Trash", "Junk"}
    server.deliver(talk.user, message("a"), "Sent")

    def is_told() -> bool:
        told = [news.status for news in talk.news if isinstance(news, Told)]
        return any((status.path, status.messages) == ("Sent", 1) for status in told)

    async with asyncio.timeout(20):
        while not is_told():
            await talk.run(Noop())
