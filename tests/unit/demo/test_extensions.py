"""What the small server can do for tests: resynchronising, NOTIFY, stable ids, labels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from postroom.demo.gmail import ALL_MAIL, SPAM, TRASH, add_gmail_account
from postroom.demo.imapd import EXTENSIONS, ImapServer
from postroom.imap.commands import (
    Copy,
    Create,
    Delete,
    Enable,
    EventGroup,
    Expunge,
    Fetch,
    Find,
    ListMailboxes,
    Move,
    Noop,
    Notify,
    Rename,
    Search,
    Select,
    Status,
    Store,
)
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Expunged, Listed, ListedMailbox, Told, Unsolicited, Vanished
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection
from tests.unit.demo.test_imapd import MESSAGE, Ends, soon

ANSWER = (
    b"Message-ID: <2@example.com>\r\nIn-Reply-To: <1@example.com>\r\nSubject: answer\r\n\r\nyes\r\n"
)
EVENTS = ("MessageNew", "MessageExpunge", "FlagChange", "MailboxName")


@pytest_asyncio.fixture
async def ends() -> AsyncIterator[Ends]:
    both = Ends()
    both.server = ImapServer(both.store, also=EXTENSIONS)
    await both.server.start()
    yield both
    for client in both.opened:
        await client.close()
    await both.server.stop()


async def test_only_what_is_offered_is_known(ends: Ends) -> None:
    plain = ImapServer(ends.store, hidden=("UNSELECT", "ENABLE"))
    await plain.start()
    ends.server, full = plain, ends.server
    client = await ends.client()
    assert not any(client.has(name) for name in (*EXTENSIONS, "UNSELECT", "ENABLE"))
    with pytest.raises(ImapRefused):
        await client.run(Notify(), soon())
    await plain.stop()
    ends.server = full
    client = await ends.client()
    assert all(client.has(name) for name in EXTENSIONS)


async def test_a_mailbox_is_resynchronised_by_what_went_and_changed(ends: Ends) -> None:
    for _ in range(5):
        ends.store.deliver("bob", MESSAGE)
    inbox = ends.store.mailbox("bob", "INBOX")
    news: list[Unsolicited] = []
    client = await ends.client(news)
    assert await client.run(Enable(("QRESYNC",)), soon()) == {"QRESYNC"}
    before = await client.run(Select("INBOX"), soon())
    await client.run(Select("Sent"), soon())
    inbox.remove([2, 3])
    inbox.set_flags(4, ("\\Seen",))
    known = (before.uid_validity, before.highest_modseq)
    after = await client.run(Select("INBOX", qresync=known), soon())
    assert list(after.vanished) == [2, 3]
    assert [(message.uid, message.flags) for message in after.changed] == [(4, ("\\Seen",))]
    assert after.exists == 3
    assert news == []
    inbox.remove([1])
    await client.run(Noop(), soon())
    assert [type(value) for value in news] == [Vanished]
    assert list(news[0].uids) == [1]
    other = await client.run(Select("INBOX", qresync=(1, before.highest_modseq)), soon())
    assert other.vanished is None
    news.clear()
    changes = Fetch("1:*", "(UID FLAGS)", changed_since=before.highest_modseq, vanished=True)
    (changed,) = await client.run(changes, soon())
    assert changed.uid == 4
    assert list(news[0].uids) == [1, 2, 3]


async def test_without_enable_there_is_no_resynchronising(ends: Ends) -> None:
    ends.store.deliver("bob", MESSAGE)
    news: list[Unsolicited] = []
    client = await ends.client(news)
    with pytest.raises(ImapRefused):
        await client.run(Select("INBOX", qresync=(1, 1)), soon())
    await client.run(Select("INBOX"), soon())
    ends.store.mailbox("bob", "INBOX").remove([1])
    await client.run(Noop(), soon())
    assert news == [Expunged(1)]


async def test_search_answers_in_ranges(ends: Ends) -> None:
    for _ in range(6):
        ends.store.deliver("bob", MESSAGE)
    ends.store.mailbox("bob", "INBOX").remove([4])
    client = await ends.client()
    await client.run(Select("INBOX"), soon())
    found = await client.run(Find(wanted=("ALL", "MIN", "MAX", "COUNT")), soon())
    assert found.numbers.ranges == ((1, 3), (5, 6))
    assert (found.least, found.most, found.count) == (1, 6, 5)
    nothing = await client.run(Find(("UID", "77"), wanted=("COUNT", "MAX")), soon())
    assert (nothing.count, nothing.most) == (0, None)
    assert await client.run(Search(("UID", "5")), soon()) == (5,)


async def heard(client: ImapConnection, news: list[Unsolicited], count: int) -> None:
    """Wait until so many news have come while the client is in IDLE."""
    while len(news) < count:
        await client.idle(Bell(), 20)


async def test_news_of_other_mailboxes_are_pushed(ends: Ends) -> None:
    news: list[Unsolicited] = []
    client = await ends.client(news)
    await client.run(Select("INBOX"), soon())
    first = await client.run(Notify((EventGroup("personal", EVENTS),), status=True), soon())
    assert {status.path for status in first} == set(ends.store.mailboxes("bob")) - {"INBOX"}
    ends.store.deliver("bob", MESSAGE, "Archive")
    await heard(client, news, 1)
    (told,) = news
    assert isinstance(told, Told)
    assert (told.status.path, told.status.messages, told.status.uid_next) == ("Archive", 1, 2)
    news.clear()
    other = await ends.client()
    await other.run(Create("New"), soon())
    await other.run(Rename("New", "Newer"), soon())
    await other.run(Delete("Newer"), soon())
    await heard(client, news, 3)
    assert [value for value in news if isinstance(value, Listed)] == [
        Listed("LIST", ListedMailbox("New", "/")),
        Listed("LIST", ListedMailbox("Newer", "/", old_path="New")),
        Listed("LIST", ListedMailbox("Newer", "/", frozenset({"\\NonExistent"}))),
    ]
    news.clear()
    await client.run(Notify(), soon())
    ends.store.deliver("bob", MESSAGE, "Archive")
    await client.run(Noop(), soon())
    assert news == []


async def test_news_come_without_idle_and_an_ended_session_listens_no_more(ends: Ends) -> None:
    news: list[Unsolicited] = []
    client = await ends.client(news)
    await client.run(Notify((EventGroup("personal", EVENTS),)), soon())
    ends.store.deliver("bob", MESSAGE, "Sent")
    await client.run(Noop(), soon())
    assert [type(value) for value in news] == [Told]
    await client.close()
    sent = ends.store.mailbox("bob", "Sent")
    async with asyncio.timeout(20):
        while sent.listeners or ends.store.tree_listeners("bob"):
            await asyncio.sleep(0)


async def test_ids_stay_with_a_message_wherever_it_goes(ends: Ends) -> None:
    ends.store.deliver("bob", MESSAGE)
    ends.store.deliver("bob", ANSWER)
    client = await ends.client()
    made = await client.run(Status("INBOX", ("MAILBOXID",)), soon())
    selected = await client.run(Select("INBOX"), soon())
    assert selected.mailbox_id == made.mailbox_id
    first, second = await client.run(Fetch("1:2", "(UID EMAILID THREADID)"), soon())
    assert first.email_id != second.email_id
    assert first.thread_id == second.thread_id == first.email_id
    assert await client.run(Search(("EMAILID", second.email_id)), soon()) == (2,)
    assert await client.run(Search(("THREADID", first.thread_id)), soon()) == (1, 2)
    await client.run(Move("2", "Archive"), soon())
    await client.run(Copy("1", "Archive"), soon())
    await client.run(Select("Archive"), soon())
    moved, copied = await client.run(Fetch("1:*", "(UID EMAILID)"), soon())
    assert (moved.email_id, copied.email_id) == (second.email_id, first.email_id)


async def test_after_utf8_accept_names_and_texts_are_utf8(ends: Ends) -> None:
    path = "Entw\u00fcrfe & R&DIE-x"
    news: list[Unsolicited] = []
    client = await ends.client(news)
    assert await client.run(Enable(("UTF8=ACCEPT",)), soon()) == {"UTF8=ACCEPT"}
    await client.run(Create(path), soon())
    assert path in ends.store.mailboxes("bob")
    assert path in [found.path for found in await client.run(ListMailboxes(), soon())]
    only = ListMailboxes(pattern="Entw\u00fcrfe*", return_status=("MESSAGES",))
    assert [found.status.path for found in await client.run(only, soon())] == [path]
    ends.store.deliver("bob", "Subject: caf\u00e9\r\n\r\nx".encode(), path)
    assert (await client.run(Status(path), soon())).messages == 1
    await client.run(Select(path), soon())
    assert await client.run(Search(("TEXT", "caf\u00e9")), soon()) == (1,)
    await client.run(Copy("1", path), soon())
    await client.run(Notify((EventGroup("personal", EVENTS),)), soon())
    await client.run(Rename(path, "\u65e5\u672c"), soon())
    await client.run(Noop(), soon())
    listed = [value.mailbox for value in news if isinstance(value, Listed)]
    assert [(found.path, found.old_path) for found in listed] == [("\u65e5\u672c", path)]


class Gmail:
    """An account of labels with one message in its inbox."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.labels = add_gmail_account(ends.store, "bob", "secret")
        ends.store.create("bob", "Work")
        ends.store.deliver("bob", MESSAGE)

    def where(self) -> dict[str, list[int]]:
        """Path -> UIDs of the mailboxes that hold anything."""
        mailboxes = self.ends.store.mailboxes("bob").items()
        return {path: list(found.messages) for path, found in mailboxes if found.messages}


async def test_a_tree_of_labels_is_listed_as_gmail_does(ends: Ends) -> None:
    Gmail(ends)
    client = await ends.client()
    listed = {found.path: found for found in await client.run(ListMailboxes(), soon())}
    assert listed["[Gmail]"].has("\\Noselect")
    assert listed[ALL_MAIL].has("\\All")
    with pytest.raises(ImapRefused):
        await client.run(Select("[Gmail]"), soon())


async def test_labels_are_mailboxes_and_mailboxes_labels(ends: Ends) -> None:
    gmail = Gmail(ends)
    assert gmail.where() == {"INBOX": [1], ALL_MAIL: [1]}
    client = await ends.client()
    await client.run(Select(ALL_MAIL), soon())

    async def labels() -> Any:
        (message,) = await client.run(Fetch("1", "(UID X-GM-LABELS X-GM-MSGID)"), soon())
        return message.labels

    assert await labels() == ("\\Inbox",)
    await client.run(Copy("1", "Work"), soon())
    assert await labels() == ("Work", "\\Inbox")
    (told,) = await client.run(Store("1", ("\\Inbox",), "delete", item="X-GM-LABELS"), soon())
    assert told.labels == ("Work",)
    assert gmail.where() == {ALL_MAIL: [1], "Work": [1]}
    await client.run(Store("1", ("\\Starred",), "set", item="X-GM-LABELS"), soon())
    assert gmail.where() == {ALL_MAIL: [1], "[Gmail]/Starred": [1]}
    await client.run(Store("1", ("\\Seen",), "add"), soon())
    assert ends.store.mailbox("bob", "[Gmail]/Starred").messages[1].flags == ("\\Seen",)
    assert await client.run(Search(("X-GM-LABELS", "\\Starred")), soon()) == (1,)


async def test_trash_and_spam_hold_a_message_alone(ends: Ends) -> None:
    gmail = Gmail(ends)
    client = await ends.client()
    await client.run(Select("INBOX"), soon())
    moved = await client.run(Move("1", TRASH), soon())
    assert moved.destination == (1,)
    assert gmail.where() == {TRASH: [1]}
    await client.run(Select(TRASH), soon())
    await client.run(Move("1", "Work"), soon())
    assert gmail.where() == {"Work": [1], ALL_MAIL: [2]}
    await client.run(Select("Work"), soon())
    await client.run(Copy("1", SPAM), soon())
    assert gmail.where() == {SPAM: [1]}


async def test_leaving_a_label_keeps_the_message_and_leaving_all_mail_ends_it(ends: Ends) -> None:
    gmail = Gmail(ends)
    client = await ends.client()
    await client.run(Select(ALL_MAIL), soon())
    await client.run(Move("1", "Work"), soon())
    assert gmail.where() == {"INBOX": [1], ALL_MAIL: [1], "Work": [1]}
    await client.run(Select("INBOX"), soon())
    before = ends.store.mailbox("bob", ALL_MAIL).messages[1].modseq
    await client.run(Store("1", ("\\Deleted",), "add"), soon())
    await client.run(Expunge("1"), soon())
    assert gmail.where() == {ALL_MAIL: [1], "Work": [1]}
    assert ends.store.mailbox("bob", ALL_MAIL).messages[1].modseq > before
    await client.run(Select(ALL_MAIL), soon())
    await client.run(Expunge("1"), soon())
    assert gmail.where() == {}
