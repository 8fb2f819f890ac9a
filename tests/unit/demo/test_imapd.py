"""Both ends: our client against our server, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import AuthenticationRefused
from postroom.imap.commands import (
    Append,
    Close,
    Copy,
    Create,
    Delete,
    Enable,
    Expunge,
    Fetch,
    Id,
    ListMailboxes,
    Move,
    Namespace,
    Noop,
    Rename,
    Search,
    Select,
    Status,
    Store,
    Subscribe,
    Unselect,
    Unsubscribe,
    move,
)
from postroom.imap.commands.search import Key
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Exists, Expunged, Fetched, NamespacePart, Unsolicited
from postroom.model.account import Credentials
from postroom.model.account import ImapServer as Where
from postroom.model.secret import Secret
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection

CLOCK = SystemClock()
MESSAGE = (
    b"From: Ann <ann@example.com>\r\nTo: bob@example.com, Eve <eve@example.com>\r\n"
    b"Subject: =?utf-8?q?J=C3=B6rg?=\r\nDate: Fri, 20 Nov 2026 09:22:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\nReferences: <0@example.com>\r\n <00@example.com>\r\n"
    b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x y"\r\n\r\npreamble\r\n'
    b"--x y\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n"
    b"--x y\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n"
    b"--x y\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b'Content-Disposition: attachment; filename="a.pdf"\r\n\r\nAAAA\r\n--x y--\r\n'
)


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


class Ends:
    """A store, its server, and clients of it."""

    def __init__(self) -> None:
        self.store = MailStore()
        self.store.add_account("bob", "secret")
        self.server = ImapServer(self.store)
        self.opened: list[ImapConnection] = []

    async def connect(self, news: list[Unsolicited] | None = None) -> ImapConnection:
        heard = news if news is not None else []
        client = await ImapConnection.open(
            Where(host="127.0.0.1", port=self.server.port),
            clock=CLOCK,
            deadline=soon(),
            on_unsolicited=heard.append,
        )
        self.opened.append(client)
        return client

    async def client(self, news: list[Unsolicited] | None = None) -> ImapConnection:
        client = await self.connect(news)
        await client.login(Credentials(user="bob", password=Secret("secret")), soon())
        return client


@pytest_asyncio.fixture
async def ends() -> AsyncIterator[Ends]:
    both = Ends()
    await both.server.start()
    yield both
    for client in both.opened:
        await client.close()
    await both.server.stop()


async def test_a_wrong_password_is_refused_and_the_right_one_still_works(ends: Ends) -> None:
    client = await ends.connect()
    with pytest.raises(AuthenticationRefused) as refused:
        await client.login(Credentials(user="bob", password=Secret("hunter2")), soon())
    assert refused.value.public_code == "AUTHENTICATIONFAILED"
    assert "hunter2" not in str(refused.value)
    await client.login(Credentials(user="bob", password=Secret("secret")), soon())
    assert client.has("CONDSTORE")


async def test_mailboxes_are_listed_counted_made_renamed_and_removed(ends: Ends) -> None:
    client = await ends.client()
    assert (await client.run(Namespace(), soon())).personal == (NamespacePart("", "/"),)
    assert (await client.run(Id({"name": "test"}), soon()))["name"] == "Postroom demo"
    await client.run(Create("Entw\u00fcrfe & mehr"), soon())
    await client.run(Unsubscribe("Entw\u00fcrfe & mehr"), soon())
    asked = ListMailboxes(
        return_special_use=True, return_subscribed=True, return_status=("MESSAGES",)
    )
    listed = {mailbox.path: mailbox for mailbox in await client.run(asked, soon())}
    assert listed["Sent"].has("\\Sent")
    assert listed["INBOX"].status.messages == 0
    assert not listed["Entw\u00fcrfe & mehr"].has("\\Subscribed")
    lsub = await client.run(ListMailboxes(is_lsub=True), soon())
    assert "Entw\u00fcrfe & mehr" not in [mailbox.path for mailbox in lsub]
    await client.run(Subscribe("Entw\u00fcrfe & mehr"), soon())
    await client.run(Rename("Entw\u00fcrfe & mehr", "New"), soon())
    await client.run(Delete("New"), soon())
    for command in (Select("New"), Delete("New"), Status("New"), Rename("New", "x")):
        with pytest.raises(ImapRefused) as refused:
            await client.run(command, soon())
        assert refused.value.response_code == "NONEXISTENT"
    with pytest.raises(ImapRefused) as refused:
        await client.run(Create("INBOX"), soon())
    assert refused.value.response_code == "ALREADYEXISTS"


async def test_a_message_is_appended_and_read_in_every_way(ends: Ends) -> None:
    client = await ends.client()
    put = await client.run(Append("INBOX", MESSAGE, ("\\Seen",), 1_700_000_000_000), soon())
    selected = await client.run(Select("INBOX", condstore=True), soon())
    assert (selected.exists, selected.uid_next, selected.uid_validity) == (1, 2, put.uid_validity)
    items = (
        "(UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ ENVELOPE BODYSTRUCTURE BODY.PEEK[] "
        "BODY.PEEK[1] BODY.PEEK[2.HEADER] BODY.PEEK[2.1] BODY.PEEK[3.MIME] BODY.PEEK[9] "
        "BODY.PEEK[TEXT]<0.8> BODY.PEEK[HEADER.FIELDS (MESSAGE-ID REFERENCES)])"
    )
    (message,) = await client.run(Fetch(str(put.uid), items), soon())
    assert message.flags == ("\\Seen",)
    assert message.size == len(MESSAGE)
    assert message.internal_date_ms == 1_700_000_000_000
    assert message.envelope.subject == b"=?utf-8?q?J=C3=B6rg?="
    assert [address.mailbox for address in message.envelope.to] == [b"bob", b"eve"]
    parts = [(part.part, part.type) for part in message.body.children]
    assert parts == [("1", "text"), ("2", "message"), ("3", "application")]
    assert message.body.children[1].envelope.subject == b"inner"
    assert message.body.children[1].children[0].part == "2.1"
    assert message.body.children[2].disposition_parameters == {"filename": "a.pdf"}
    assert message.sections[""] == MESSAGE
    assert message.sections["1"] == b"Hello"
    assert message.sections["2.HEADER"] == b"Subject: inner\r\n\r\n"
    assert message.sections["2.1"] == b"inside"
    assert message.sections["3.MIME"].startswith(b"Content-Type: application/pdf")
    assert message.sections["TEXT"] == b"preamble"
    assert message.sections["9"] == b""
    assert message.sections["HEADER.FIELDS (MESSAGE-ID REFERENCES)"] == (
        b"Message-ID: <1@example.com>\r\nReferences: <0@example.com>\r\n <00@example.com>\r\n\r\n"
    )


async def test_reading_without_peek_marks_as_seen(ends: Ends) -> None:
    ends.store.deliver("bob", MESSAGE)
    client = await ends.client()
    await client.run(Select("INBOX"), soon())
    (message,) = await client.run(Fetch("1", "(BODY[TEXT])"), soon())
    assert message.flags == ("\\Seen",)


async def test_search_finds_by_flags_headers_dates_sizes_and_sets(ends: Ends) -> None:
    small = b"From: eve@example.com\r\nSubject: other\r\n\r\nbody text\r\n"
    ends.store.deliver("bob", MESSAGE, flags=("\\Seen", "$work"))
    ends.store.deliver("bob", small)
    client = await ends.client()
    await client.run(Select("INBOX"), soon())
    expected: list[tuple[tuple[Any, ...], tuple[int, ...]]] = [
        (("ALL",), (1, 2)),
        (("UNSEEN",), (2,)),
        (("NOT", "SEEN"), (2,)),
        (("KEYWORD", "$work"), (1,)),
        (("FROM", "eve"), (2,)),
        (("OR", ("FROM", "ann"), "SUBJECT", "other"), (1, 2)),
        (("BODY", "body text"), (2,)),
        (("HEADER", "Message-ID", "<1@example.com>"), (1,)),
        (("LARGER", 200), (1,)),
        (("SMALLER", 200), (2,)),
        (("SINCE", "1-Jan-2020"), (1, 2)),
        (("BEFORE", "1-Jan-2020"), ()),
        (("UID", Key("2:*")), (2,)),
        (("UID", Key("9:*")), (2,)),
        (("TEXT", "caf\u00e9"), ()),
    ]
    for criteria, found in expected:
        assert await client.run(Search(criteria), soon()) == found, criteria
    with pytest.raises(ImapRefused) as refused:
        await client.run(Search(("NONSENSE",)), soon())
    assert refused.value.is_bad


async def test_flags_copies_moves_and_expunges(ends: Ends) -> None:
    for _ in range(4):
        ends.store.deliver("bob", MESSAGE)
    news: list[Unsolicited] = []
    client = await ends.client(news)
    await client.run(Select("INBOX"), soon())
    (told,) = await client.run(Store("2", ("\\Flagged",), "add"), soon())
    assert told.flags == ("\\Flagged",)
    (told,) = await client.run(Store("2", ("\\Flagged",), "delete"), soon())
    assert told.flags == ()
    assert await client.run(Store("2", ("a", "b"), "set", silent=True), soon()) == ()
    copied = await client.run(Copy("1:2", "Archive"), soon())
    assert (copied.source, copied.destination) == ((1, 2), (1, 2))
    moved = await client.run(Move("2", "Trash"), soon())
    assert (moved.source, moved.destination) == ((2,), (1,))
    assert news == [Expunged(2)]
    await client.run(Store("1,4", ("\\Deleted",), "add", silent=True), soon())
    await client.run(Expunge("4"), soon())
    assert list(ends.store.mailbox("bob", "INBOX").messages) == [1, 3]
    with pytest.raises(ImapRefused) as refused:
        await client.run(Copy("1", "Nowhere"), soon())
    assert refused.value.response_code == "TRYCREATE"
    await client.run(Close(), soon())
    assert list(ends.store.mailbox("bob", "INBOX").messages) == [3]
    with pytest.raises(ImapRefused):
        await client.run(Unselect(), soon())


async def test_a_server_without_move_is_moved_on_all_the_same(ends: Ends) -> None:
    plain = ImapServer(ends.store, hidden=("MOVE", "UIDPLUS"))
    await plain.start()
    ends.store.deliver("bob", MESSAGE)
    ends.server, old = plain, ends.server
    client = await ends.client()
    await client.run(Select("INBOX"), soon())

    async def run(command: Any) -> Any:
        return await client.run(command, soon())

    await move(run, client.offered, "1", "Trash")
    assert not ends.store.mailbox("bob", "INBOX").messages
    assert len(ends.store.mailbox("bob", "Trash").messages) == 1
    await plain.stop()
    ends.server = old


async def test_idle_hears_arrivals_flags_and_expunges(ends: Ends) -> None:
    ends.store.deliver("bob", MESSAGE)
    news: list[Unsolicited] = []
    client = await ends.client(news)
    await client.run(Select("INBOX"), soon())
    inbox = ends.store.mailbox("bob", "INBOX")
    changes = (
        (lambda: ends.store.deliver("bob", MESSAGE), Exists),
        (lambda: inbox.set_flags(1, ("\\Seen",)), Fetched),
        (lambda: inbox.remove([1]), Expunged),
    )
    for change, kind in changes:
        news.clear()
        listening = asyncio.create_task(client.idle(Bell(), 20))
        while not inbox.listeners:
            await asyncio.sleep(0)
        change()
        await listening
        assert [type(value) for value in news] == [kind]


async def test_changes_made_between_commands_are_told_by_noop_in_a_sound_order(ends: Ends) -> None:
    for _ in range(3):
        ends.store.deliver("bob", MESSAGE)
    news: list[Unsolicited] = []
    client = await ends.client(news)
    await client.run(Select("INBOX"), soon())
    inbox = ends.store.mailbox("bob", "INBOX")
    inbox.remove([1, 3])
    inbox.set_flags(2, ("x",))
    ends.store.deliver("bob", MESSAGE)
    await client.run(Noop(), soon())
    assert news[:3] == [Expunged(3), Expunged(1), Exists(2)]
    assert isinstance(news[3], Fetched)
    assert (news[3].message.seq, news[3].message.uid, news[3].message.flags) == (1, 2, ("x",))


async def test_condstore_tells_only_what_changed_since(ends: Ends) -> None:
    ends.store.deliver("bob", MESSAGE)
    ends.store.deliver("bob", MESSAGE)
    client = await ends.client()
    assert await client.run(Enable(("CONDSTORE",)), soon()) == {"CONDSTORE"}
    selected = await client.run(Select("INBOX"), soon())
    ends.store.mailbox("bob", "INBOX").set_flags(2, ("\\Seen",))
    changed = await client.run(
        Fetch("1:*", "(UID FLAGS)", changed_since=selected.highest_modseq), soon()
    )
    assert [(message.uid, message.flags) for message in changed] == [(2, ("\\Seen",))]


async def test_a_restored_mailbox_has_a_new_uid_validity(ends: Ends) -> None:
    ends.store.deliver("bob", MESSAGE)
    client = await ends.client()
    before = await client.run(Select("INBOX"), soon())
    ends.store.reset("bob", "INBOX")
    after = await client.run(Select("INBOX"), soon())
    assert after.uid_validity > before.uid_validity
    assert after.exists == 1


async def test_a_client_that_talks_nonsense_is_shown_out_and_others_stay(ends: Ends) -> None:
    client = await ends.client()
    for junk in (b"\x00\x00\r\n", b"a (((\r\n", b"{99999999999}\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", ends.server.port)
        writer.write(junk)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert b"* BYE" in answer
        writer.close()
    await client.run(Noop(), soon())
    assert ends.server.connections == 1


async def test_commands_out_of_place_or_without_arguments_are_bad(ends: Ends) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", ends.server.port)
    await reader.readline()
    for text in (b"SELECT INBOX", b"LOGIN", b"LOGIN {3}\r\nbob"):
        writer.write(b"a " + text + b"\r\n")
    writer.write(b"b LOGIN bob secret\r\n")
    for text in (b"SELECT", b"FETCH 1 FLAGS", b"STATUS INBOX", b"APPEND INBOX x", b"NOPE"):
        writer.write(b"a " + text + b"\r\n")
    writer.write(b"c LOGOUT\r\n")
    answer = (await asyncio.wait_for(reader.read(), 10)).splitlines()
    assert sum(line.startswith(b"a BAD") for line in answer) == 8
    assert any(line.startswith(b"b OK") for line in answer)
    assert answer[-1].startswith(b"c OK")
    writer.close()


async def test_a_client_that_never_ends_its_line_is_cut_off(ends: Ends) -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    reader, writer = await asyncio.open_connection("127.0.0.1", ends.server.port)
    await reader.readline()
    with pytest.raises(ConnectionError):
        await flood(writer)
    writer.close()
