"""Answering against a real Dovecot and a real store."""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.crypto import Sealer
from postroom.errors import (
    ConnectionUnavailable,
    DeadlineExceeded,
    InvalidInput,
    MailboxNotFound,
    MessageNotFound,
    Unprocessable,
)
from postroom.model.account import Account, Credentials, ImapServer
from postroom.model.ids import MessageKey, attachment_id, message_id, parse_message_id
from postroom.model.mailbox import MailboxCursor
from postroom.model.message import FlagChange
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    Download,
    DownloadAttachment,
    DownloadSource,
    GetMessage,
    GetReference,
    GetText,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    RequestReconnect,
    RequestSync,
    SearchMessages,
    UpdateMessage,
)
from postroom.model.secret import Secret
from postroom.net.imap import ImapConnection
from postroom.providers.imap.answering import ImapAnswering
from postroom.providers.imap.connect import connect
from postroom.providers.imap.pages import encode_cursor
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.mailboxes import Mailboxes
from tests.fakes.dovecot import PASSWORD, Dovecot, message, running_dovecot

pytestmark = pytest.mark.dovecot
CLOCK = SystemClock()
USERS = itertools.count()
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Requests:
    """A watcher that only notes what it was asked."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    async def run(self) -> None:
        return

    def request_sync(self) -> None:
        self.noted.append("sync")

    def request_reconnect(self) -> None:
        self.noted.append("reconnect")

    def verified_ms(self, cursor: MailboxCursor) -> int:
        return cursor.last_verified_ms


class Desk:
    """An account on the server, its answering, and how many connections were opened for it."""

    def __init__(self, server: Dovecot, store: Store, user: str) -> None:
        self.server = server
        self.user = user
        self.opened: list[ImapConnection] = []
        self.watcher = Requests()
        self.account = Account(
            account=user,
            imap=ImapServer(
                host="127.0.0.1",
                port=server.port,
                auth=Credentials(user=user, password=Secret(PASSWORD)),
                tls=None,
            ),
        )
        self.answering = ImapAnswering(
            self.account,
            Mailboxes(store),
            CLOCK,
            open_connection=self._open,
            watcher=self.watcher,
        )

    async def _open(self, deadline: Deadline) -> ImapConnection:
        connection = await connect(self.account, clock=CLOCK, deadline=deadline)
        self.opened.append(connection)
        return connection

    def deliver(self, raw: bytes, mailbox: str = "INBOX", flags: str = "") -> None:
        self.server.deliver(self.user, raw, mailbox, flags)

    async def first(self, path: str = "INBOX") -> str:
        page = await self.answering.list_messages(ListMessages(path=path), soon())
        return page.messages[0].id


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


async def whole(download: Download) -> bytes:
    return b"".join([chunk async for chunk in download.chunks])


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with running_dovecot("ssl = no\n") as started:
        yield started


@pytest_asyncio.fixture
async def desk(server: Dovecot, store: Store) -> AsyncIterator[Desk]:
    opened = Desk(server, store, f"reader{next(USERS)}")
    await Accounts(store, Sealer(None), CLOCK).create(opened.account, [])
    yield opened
    await opened.answering.close()
    assert not any(connection.is_open for connection in opened.opened)


def rich_message() -> bytes:
    built = EmailMessage()
    built["From"] = "J\u00fcrgen <j@example.com>"
    built["To"] = "Bob <bob@example.com>"
    built["Subject"] = "Gr\u00fc\u00dfe"
    built["Date"] = "Fri, 20 Nov 2026 10:22:00 +0100"
    built["Message-ID"] = "<rich@example.com>"
    built.set_content("Hallo J\u00fcrgen\n", cte="quoted-printable")
    built.add_alternative(
        '<p onclick="x()">Hallo <img src="cid:pic@x"><script>alert(1)</script></p>', subtype="html"
    )
    html = built.get_payload()[1]  # type: ignore[index]
    html.add_related(PNG, "image", "png", cid="<pic@x>")  # type: ignore[union-attr]
    built.add_attachment(
        b"\x00\x01binary" * 300_000,
        maintype="application",
        subtype="pdf",
        filename="r\u00e9sum\u00e9.pdf",
    )
    return built.as_bytes().replace(b"\n", b"\r\n")


async def test_mailboxes_are_listed_in_order_with_counters(desk: Desk) -> None:
    desk.deliver(message())
    listed = await desk.answering.list_mailboxes(ListMailboxes(counters=True), soon())
    assert [one.path for one in listed.mailboxes] == ["INBOX", "Sent", "Drafts", "Junk", "Trash"]
    assert listed.mailboxes[0].status is not None
    assert listed.mailboxes[0].status.unseen == 1


async def test_pages_show_the_newest_first_and_cursors_lead_on(desk: Desk) -> None:
    for number in range(5):
        desk.deliver(message(f"number {number}"))
    asked = ListMessages(path="inbox", page_size=2)
    page = await desk.answering.list_messages(asked, soon())
    assert [one.subject for one in page.messages] == ["number 4", "number 3"]
    assert (page.total, page.page, page.pages) == (5, 0, 3)
    assert page.prev_page_cursor is None
    last = ListMessages(path="\\Inbox", page_size=2, page=7, cursor=encode_cursor(2))
    page = await desk.answering.list_messages(last, soon())
    assert [one.subject for one in page.messages] == ["number 0"]
    assert page.next_page_cursor is None
    beyond = await desk.answering.list_messages(ListMessages(path="INBOX", page=9), soon())
    assert (beyond.total, beyond.pages, beyond.messages) == (5, 1, ())


async def test_a_message_of_a_moment_ago_is_in_the_list_of_an_open_connection(desk: Desk) -> None:
    desk.deliver(message("first"))
    await desk.first()
    desk.deliver(message("second"))
    page = await desk.answering.list_messages(ListMessages(path="INBOX"), soon())
    assert [one.subject for one in page.messages] == ["second", "first"]
    assert len(desk.opened) == 1


async def test_an_unknown_mailbox_is_not_found(desk: Desk) -> None:
    for path in ("Nowhere", "\\All", "\\Archive"):
        with pytest.raises(MailboxNotFound):
            await desk.answering.list_messages(ListMessages(path=path), soon())


async def test_a_message_is_shown_in_full(desk: Desk) -> None:
    desk.deliver(rich_message())
    wanted = GetMessage(message=await desk.first(), text_type="*")
    found = await desk.answering.get_message(wanted, soon())
    assert found.subject == "Gr\u00fc\u00dfe"
    assert found.from_ is not None
    assert found.from_.name == "J\u00fcrgen"
    assert found.date == "2026-11-20T09:22:00.000Z"
    assert found.unseen
    assert found.special_use == "\\Inbox"
    assert found.headers is not None
    assert found.headers["message-id"] == ["<rich@example.com>"]
    assert found.text is not None
    assert found.text.plain == "Hallo J\u00fcrgen\n"
    assert found.text.html is not None
    assert "<script>" in found.text.html
    assert found.text.has_more is False
    kinds = [(one.filename, one.embedded, one.content_id) for one in found.attachments]
    assert kinds == [(None, True, "<pic@x>"), ("r\u00e9sum\u00e9.pdf", False, None)]


async def test_no_text_comes_unless_asked_for(desk: Desk) -> None:
    desk.deliver(rich_message())
    found = await desk.answering.get_message(GetMessage(message=await desk.first()), soon())
    assert found.text is not None
    assert found.text.plain is None
    assert found.text.encoded_size is not None
    assert found.text.encoded_size.plain


async def test_long_text_is_cut_between_characters(desk: Desk) -> None:
    built = EmailMessage()
    built.set_content("\u00fc" * 50_000, cte="base64")
    desk.deliver(built.as_bytes())
    wanted = GetMessage(message=await desk.first(), text_type="plain", max_bytes=11)
    found = await desk.answering.get_message(wanted, soon())
    assert found.text is not None
    assert (found.text.plain, found.text.has_more) == ("\u00fc" * 5, True)


async def test_web_safe_html_has_no_script_and_its_pictures_inside(desk: Desk) -> None:
    desk.deliver(rich_message())
    wanted = GetMessage(message=await desk.first(), web_safe_html=True)
    found = await desk.answering.get_message(wanted, soon())
    assert found.text is not None
    assert found.text.html is not None
    assert found.text.web_safe
    assert "script" not in found.text.html
    assert "onclick" not in found.text.html
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in found.text.html


async def test_reading_marks_as_seen_only_when_asked(desk: Desk) -> None:
    desk.deliver(message())
    message_key = await desk.first()
    quiet = GetMessage(message=message_key, text_type="*")
    assert (await desk.answering.get_message(quiet, soon())).unseen
    assert (await desk.answering.get_message(quiet, soon())).unseen
    loud = GetMessage(message=message_key, mark_as_seen=True)
    assert "\\Seen" in (await desk.answering.get_message(loud, soon())).flags
    assert not (await desk.answering.get_message(quiet, soon())).unseen


async def test_text_is_read_by_its_id(desk: Desk) -> None:
    desk.deliver(rich_message())
    found = await desk.answering.get_message(GetMessage(message=await desk.first()), soon())
    assert found.text is not None
    assert found.text.id is not None
    text = await desk.answering.get_text(GetText(text=found.text.id, text_type="plain"), soon())
    assert (text.plain, text.html) == ("Hallo J\u00fcrgen\n", None)
    safe = await desk.answering.get_text(GetText(text=found.text.id, web_safe_html=True), soon())
    assert safe.plain is None
    assert safe.web_safe


async def test_an_attachment_streams_decoded_under_its_own_name(desk: Desk) -> None:
    desk.deliver(rich_message())
    found = await desk.answering.get_message(GetMessage(message=await desk.first()), soon())
    wanted = DownloadAttachment(attachment=found.attachments[1].id)
    download = await desk.answering.download_attachment(wanted, soon())
    assert (download.content_type, download.filename) == ("application/pdf", "r\u00e9sum\u00e9.pdf")
    assert await whole(download) == b"\x00\x01binary" * 300_000


async def test_the_source_streams_byte_for_byte(desk: Desk) -> None:
    raw = rich_message()
    desk.deliver(raw)
    download = await desk.answering.download_source(
        DownloadSource(message=await desk.first()), soon()
    )
    assert download.content_type == "message/rfc822"
    assert await whole(download) == raw


async def test_a_download_left_in_the_middle_holds_no_connection(desk: Desk) -> None:
    desk.deliver(rich_message())
    wanted = DownloadSource(message=await desk.first())
    for _ in range(5):
        download = await desk.answering.download_source(wanted, soon())
        await anext(download.chunks)
        await download.chunks.aclose()  # type: ignore[attr-defined]
    assert (await desk.answering.list_messages(ListMessages(path="INBOX"), soon())).total == 1
    assert len(desk.opened) == 1


async def test_unknown_ids_are_not_found_and_broken_ids_are_wrong(desk: Desk) -> None:
    desk.deliver(message())
    known = parse_message_id(await desk.first())
    for key in (MessageKey(known.number, 999), MessageKey(77, known.uid)):
        with pytest.raises(MessageNotFound):
            await desk.answering.get_message(GetMessage(message=message_id(key)), soon())
        with pytest.raises(MessageNotFound):
            await desk.answering.delete_message(DeleteMessage(message=message_id(key)), soon())
        with pytest.raises(MessageNotFound):
            await desk.answering.download_source(DownloadSource(message=message_id(key)), soon())
        wanted = DownloadAttachment(attachment=attachment_id(key, "2"))
        with pytest.raises(MessageNotFound):
            await desk.answering.download_attachment(wanted, soon())
    with pytest.raises(InvalidInput):
        await desk.answering.get_message(GetMessage(message="no id"), soon())


async def test_ids_of_an_older_uidvalidity_do_not_resolve(desk: Desk, store: Store) -> None:
    desk.deliver(message())
    old = await desk.first()
    await desk.answering.close()
    arguments = ("mailbox", "update", "--uid-validity", "4242", "-u", desk.user, "INBOX")
    desk.server.doveadm(*arguments)
    renewed = Desk(desk.server, store, desk.user)
    with pytest.raises(MessageNotFound):
        await renewed.answering.get_message(GetMessage(message=old), soon())
    assert await renewed.first() != old
    await renewed.answering.close()


async def test_flags_are_added_deleted_and_set(desk: Desk) -> None:
    desk.deliver(message())
    wanted = await desk.first()
    added = UpdateMessage(message=wanted, flags=FlagChange(add=("\\Flagged", "$Work")))
    answer = await desk.answering.update_message(added, soon())
    assert answer.flags is not None
    assert set(answer.flags.add or ()) == {"\\Flagged", "$Work"}  # type: ignore[arg-type]
    changed = FlagChange(set=("\\Seen",), add=("\\Answered",))
    answer = await desk.answering.update_message(
        UpdateMessage(message=wanted, flags=changed), soon()
    )
    assert answer.flags is not None
    assert (answer.flags.set, answer.flags.add) == (("\\Seen",), None)
    deleted = UpdateMessage(message=wanted, flags=FlagChange(delete=("\\Seen",)))
    answer = await desk.answering.update_message(deleted, soon())
    assert answer.flags is not None
    assert answer.flags.result == ()


async def test_a_flag_that_is_no_atom_is_refused_and_the_connection_stays(desk: Desk) -> None:
    desk.deliver(message())
    wanted = UpdateMessage(message=await desk.first(), flags=FlagChange(add=("a b) \r\nx",)))
    with pytest.raises(InvalidInput):
        await desk.answering.update_message(wanted, soon())
    assert await desk.first()
    assert len(desk.opened) == 1


async def test_labels_need_gmail(desk: Desk) -> None:
    desk.deliver(message())
    wanted = UpdateMessage(message=await desk.first(), labels=FlagChange(add=("x",)))
    with pytest.raises(Unprocessable):
        await desk.answering.update_message(wanted, soon())


async def test_a_moved_message_has_a_new_id_that_resolves(desk: Desk) -> None:
    desk.deliver(message("moved"))
    old = await desk.first()
    moved = await desk.answering.move_message(MoveMessage(message=old, path="\\Junk"), soon())
    assert moved.path == "Junk"
    assert moved.id is not None
    found = await desk.answering.get_message(GetMessage(message=moved.id), soon())
    assert (found.subject, found.path, found.uid) == ("moved", "Junk", moved.uid)
    with pytest.raises(MessageNotFound):
        await desk.answering.get_message(GetMessage(message=old), soon())


async def test_deleting_goes_to_trash_first_and_then_for_good(desk: Desk) -> None:
    desk.deliver(message("doomed"))
    desk.deliver(message("marked by another"), "Trash", "(\\Deleted)")
    wanted = DeleteMessage(message=await desk.first())
    answer = await desk.answering.delete_message(wanted, soon())
    assert not answer.deleted
    assert answer.moved
    assert answer.moved.destination == "Trash"
    assert answer.moved.message is not None
    again = DeleteMessage(message=answer.moved.message)
    assert (await desk.answering.delete_message(again, soon())).deleted
    left = await desk.answering.list_messages(ListMessages(path="\\Trash"), soon())
    assert [one.subject for one in left.messages] == ["marked by another"]


async def test_storing_once_twice_leaves_one_copy(desk: Desk) -> None:
    raw = message("sent", message_id="<once@example.com>")
    wanted = AppendMessage(
        path="\\Sent", raw=raw, flags=("\\Seen",), message_id="<once@example.com>", once=True
    )
    stored = await desk.answering.append_message(wanted, soon())
    assert stored.id is not None
    repeated = await desk.answering.append_message(wanted, soon())
    assert repeated.is_repeat
    assert repeated.id == stored.id
    page = await desk.answering.list_messages(ListMessages(path="Sent"), soon())
    assert [(one.subject, one.unseen) for one in page.messages] == [("sent", False)]


async def test_storing_makes_the_mailbox_when_it_is_not_there(desk: Desk) -> None:
    wanted = AppendMessage(path="Projects/2026", raw=message("kept"), once=True, message_id="<k@x>")
    assert (await desk.answering.append_message(wanted, soon())).path == "Projects/2026"
    page = await desk.answering.list_messages(ListMessages(path="Projects/2026"), soon())
    assert page.total == 1


async def test_search_finds_by_words_in_any_language(desk: Desk) -> None:
    desk.deliver(rich_message())
    desk.deliver(message("Other"), flags="(\\Seen)")
    cases = [
        ({"subject": "gr\u00fc\u00dfe"}, 1),
        ({"subject": 'a"b\\'}, 0),
        ({"unseen": False}, 1),
        ({"seen": False, "larger": 1000}, 1),
        ({"header": {"message-id": "<rich@example.com>"}}, 1),
        ({"since": "2026-01-01T00:00:00Z"}, 2),
        ({"sentBefore": "2000-01-01"}, 0),
        ({"uid": "1:*"}, 2),
        ({}, 2),
    ]
    for search, count in cases:
        asked = SearchMessages(path="INBOX", search=search)
        page = await desk.answering.search_messages(asked, soon())
        assert page.total == count, search
        assert len(page.messages) == count


async def test_a_reference_has_what_a_reply_needs(desk: Desk) -> None:
    raw = message("About", text="The text.\n").replace(
        b"Subject:",
        b"References: <a@x> <b@x>\r\nIn-Reply-To: <b@x>\r\nReply-To: r@x.org\r\nSubject:",
    )
    desk.deliver(raw)
    asked = GetReference(message=await desk.first(), with_text=True)
    found = await desk.answering.get_reference(asked, soon())
    assert (found.references, found.in_reply_to) == ("<a@x> <b@x>", "<b@x>")
    assert [one.address for one in found.reply_to] == ["r@x.org"]
    assert found.plain == "The text.\n"


async def test_a_cancelled_call_leaves_no_connection_in_the_middle(desk: Desk) -> None:
    for _ in range(20):
        desk.deliver(rich_message()[:5000])
    wanted = await desk.first()
    for rounds in range(12):
        call = asyncio.create_task(
            desk.answering.get_message(GetMessage(message=wanted, text_type="*"), soon())
        )
        for _ in range(rounds):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        page = await desk.answering.list_messages(ListMessages(path="INBOX"), soon())
        assert page.total == 20


async def test_many_calls_at_once_share_two_connections(desk: Desk) -> None:
    desk.deliver(message())
    wanted = GetMessage(message=await desk.first(), text_type="*")
    answers = await asyncio.gather(
        *(desk.answering.get_message(wanted, soon()) for _ in range(30)),
        *(desk.answering.list_messages(ListMessages(path="Sent"), soon()) for _ in range(30)),
    )
    assert len(answers) == 60
    assert len(desk.opened) <= 2


async def test_a_dropped_connection_is_replaced_without_the_caller_noticing(desk: Desk) -> None:
    desk.deliver(message())
    await desk.first()
    desk.server.doveadm("kick", desk.user)
    assert await desk.first()
    assert len(desk.opened) == 2


async def test_an_unreachable_server_is_a_503(desk: Desk, store: Store) -> None:
    gone = Desk(desk.server, store, desk.user)
    assert gone.account.imap is not None

    async def refuse(deadline: Deadline) -> ImapConnection:
        server = ImapServer(host="127.0.0.1", port=1, auth=gone.account.imap.auth)  # type: ignore[union-attr]
        account = Account(account="x", imap=server)
        return await connect(account, clock=CLOCK, deadline=deadline)

    answering = ImapAnswering(
        gone.account, Mailboxes(store), CLOCK, open_connection=refuse, watcher=gone.watcher
    )
    with pytest.raises(ConnectionUnavailable):
        await answering.list_messages(ListMessages(path="INBOX"), soon())
    await answering.close()


async def test_a_call_whose_time_is_over_is_a_504(desk: Desk) -> None:
    with pytest.raises(DeadlineExceeded):
        await desk.answering.list_messages(ListMessages(path="INBOX"), Deadline.after(CLOCK, 0))


async def test_requests_for_the_watcher_are_passed_on(desk: Desk) -> None:
    await desk.answering.request_sync(RequestSync(), soon())
    await desk.answering.request_reconnect(RequestReconnect(), soon())
    assert desk.watcher.noted == ["sync", "reconnect"]
