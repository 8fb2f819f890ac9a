"""Answering on a Gmail-like server: labels, stable ids, its own search; and with UTF-8 names."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.crypto import Sealer
from postroom.demo.gmail import ALL_MAIL, TRASH, add_gmail_account
from postroom.demo.imap_mailboxes import MOST_APPENDED_BYTES
from postroom.demo.imapd import EXTENSIONS, ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import InvalidInput, PayloadTooLarge, Unprocessable
from postroom.model.account import Account, Credentials
from postroom.model.account import ImapServer as Where
from postroom.model.message import FlagChange
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    GetMessage,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    SearchMessages,
    UpdateMessage,
)
from postroom.model.secret import Secret
from postroom.net.imap import ImapConnection
from postroom.providers.imap.answering import ImapAnswering
from postroom.providers.imap.connect import connect
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.mailboxes import Mailboxes
from tests.fakes.dovecot import message
from tests.unit.providers.imap.test_answering import Requests

CLOCK = SystemClock()
LABEL = "Entw\u00fcrfe & mehr"


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


class Person:
    """A Gmail account with some mail, and its answering."""

    def __init__(self, mail: MailStore, port: int, store: Store) -> None:
        self.mail = mail
        self.account = Account(
            account="gmail",
            imap=Where(
                host="127.0.0.1",
                port=port,
                auth=Credentials(user="bob", password=Secret("secret")),
            ),
        )
        self.answering = ImapAnswering(
            self.account,
            Mailboxes(store),
            CLOCK,
            open_connection=self._open,
            watcher=Requests(),
        )

    async def _open(self, deadline: Deadline) -> ImapConnection:
        return await connect(self.account, clock=CLOCK, deadline=deadline)

    async def listed(self, path: str) -> dict[str | None, str]:
        """Subject -> id of what is in a mailbox."""
        page = await self.answering.list_messages(ListMessages(path=path), soon())
        return {one.subject: one.id for one in page.messages}

    async def found(self, **search: object) -> list[str | None]:
        """The subjects of what a search in All Mail finds."""
        asked = SearchMessages(path=ALL_MAIL, search=search)
        page = await self.answering.search_messages(asked, soon())
        return sorted(one.subject or "" for one in page.messages)


@pytest_asyncio.fixture(params=["utf-7", "utf-8"])
async def person(request: pytest.FixtureRequest, store: Store) -> AsyncIterator[Person]:
    mail = MailStore()
    add_gmail_account(mail, "bob", "secret")
    mail.create("bob", LABEL)
    hidden = ("UTF8=ACCEPT",) if request.param == "utf-7" else ()
    server = ImapServer(mail, also=EXTENSIONS, hidden=hidden)
    await server.start()
    mail.deliver("bob", message("one", message_id="<1@example.com>"))
    mail.deliver("bob", message("two", message_id="<2@example.com>"), LABEL)
    opened = Person(mail, server.port, store)
    await Accounts(store, Sealer(None), CLOCK).create(opened.account, [])
    yield opened
    await opened.answering.close()
    await server.stop()


async def test_lists_show_labels_and_stable_ids(person: Person) -> None:
    page = await person.answering.list_messages(ListMessages(path=ALL_MAIL), soon())
    two, one = page.messages
    assert (one.labels, two.labels) == (("\\Inbox",), (LABEL,))
    assert one.email_id
    assert one.email_id != two.email_id
    assert one.thread_id == one.email_id
    inbox = await person.answering.list_messages(ListMessages(path="INBOX"), soon())
    assert inbox.messages[0].email_id == one.email_id
    found = await person.answering.get_message(GetMessage(message=one.id), soon())
    assert (found.email_id, found.labels) == (one.email_id, ("\\Inbox",))
    paths = {
        box.path: box
        for box in (await person.answering.list_mailboxes(ListMailboxes(), soon())).mailboxes
    }
    assert "[Gmail]" not in paths
    assert paths[ALL_MAIL].special_use == "\\All"
    assert LABEL in paths


async def test_labels_are_changed_like_flags(person: Person) -> None:
    one = (await person.listed(ALL_MAIL))["one"]

    async def change(**labels: tuple[str, ...]) -> object:
        asked = UpdateMessage(message=one, labels=FlagChange(**labels))
        return (await person.answering.update_message(asked, soon())).labels

    added = await change(add=(LABEL,))
    assert added is not None
    assert "one" in await person.listed(LABEL)
    await change(delete=("\\Inbox",))
    assert await person.listed("INBOX") == {}
    await change(set=("\\Starred",))
    assert "one" not in await person.listed(LABEL)
    assert "one" in await person.listed("\\Flagged")


async def test_searches_by_label_id_and_gmails_own_words(person: Person) -> None:
    page = await person.answering.list_messages(ListMessages(path=ALL_MAIL), soon())
    two, one = page.messages
    assert await person.found(labels={"has": [LABEL]}) == ["two"]
    assert await person.found(labels={"not": [LABEL]}) == ["one"]
    assert await person.found(labels={"has": ["\\Inbox"]}) == ["one"]
    assert await person.found(emailId=two.email_id) == ["two"]
    assert await person.found(threadId=one.thread_id) == ["one"]
    assert await person.found(gmailRaw="subject: two") == ["two"]
    assert await person.found(subject="caf\u00e9") == []
    with pytest.raises(InvalidInput):
        await person.found(labels=["x"])


async def test_moving_a_message_of_all_mail_gives_it_a_label(person: Person) -> None:
    one = (await person.listed(ALL_MAIL))["one"]
    moved = await person.answering.move_message(MoveMessage(message=one, path=LABEL), soon())
    assert moved.id == (await person.listed(LABEL))["one"]
    assert "one" in await person.listed(ALL_MAIL)
    gone = await person.answering.delete_message(DeleteMessage(message=one), soon())
    assert gone.moved is not None
    assert gone.moved.destination == TRASH
    assert set(await person.listed(ALL_MAIL)) == {"two"}
    assert set(await person.listed(LABEL)) == {"two"}


async def test_a_message_is_stored_under_a_label(person: Person) -> None:
    raw = "Subject: caf\u00e9\r\nMessage-ID: <3@example.com>\r\n\r\nx".encode()
    asked = AppendMessage(path=LABEL, raw=raw, message_id="<3@example.com>", once=True)
    stored = await person.answering.append_message(asked, soon())
    assert stored.id in (await person.listed(LABEL)).values()
    again = await person.answering.append_message(asked, soon())
    assert (again.uid, again.is_repeat) == (stored.uid, True)
    assert len(await person.listed(ALL_MAIL)) == 3


@pytest.mark.parametrize(
    ("limit", "size"),
    [("APPENDLIMIT=1000", 1001), ("APPENDLIMIT", MOST_APPENDED_BYTES + 1)],
)
async def test_a_message_beyond_the_limit_is_refused_before_it_is_sent(
    store: Store, limit: str, size: int
) -> None:
    mail = MailStore()
    mail.add_account("bob", "secret")
    server = ImapServer(mail, also=(limit,))
    await server.start()
    person = Person(mail, server.port, store)
    await Accounts(store, Sealer(None), CLOCK).create(person.account, [])
    with pytest.raises(PayloadTooLarge):
        await person.answering.append_message(AppendMessage(path="Sent", raw=b"x" * size), soon())
    stored = await person.answering.append_message(AppendMessage(path="Sent", raw=b"x"), soon())
    assert stored.uid == 1
    made = await person.answering.append_message(AppendMessage(path="New", raw=b"x"), soon())
    assert made.uid == 1
    assert server.connections == 1
    await person.answering.close()
    await server.stop()


async def test_other_servers_have_no_labels(store: Store) -> None:
    mail = MailStore()
    mail.add_account("bob", "secret")
    server = ImapServer(mail, also=("OBJECTID",))
    await server.start()
    mail.deliver("bob", message("one"))
    other = Person(mail, server.port, store)
    await Accounts(store, Sealer(None), CLOCK).create(other.account, [])
    page = await other.answering.list_messages(ListMessages(path="INBOX"), soon())
    (one,) = page.messages
    assert (one.labels, one.email_id is not None) == ((), True)
    found = SearchMessages(path="INBOX", search={"emailId": one.email_id})
    assert (await other.answering.search_messages(found, soon())).total == 1
    change = UpdateMessage(message=one.id, labels=FlagChange(add=("x",)))
    with pytest.raises(Unprocessable):
        await other.answering.update_message(change, soon())
    await other.answering.close()
    await server.stop()


@pytest.mark.parametrize("also", [(), ("ESEARCH",), ("ESEARCH", "PARTIAL")])
async def test_pages_of_a_search_are_the_same_however_the_server_answers(
    store: Store, also: tuple[str, ...]
) -> None:
    mail = MailStore()
    mail.add_account("bob", "secret")
    server = ImapServer(mail, also=also)
    await server.start()
    for at in range(7):
        mail.deliver("bob", message(f"m{at}"))
    person = Person(mail, server.port, store)
    await Accounts(store, Sealer(None), CLOCK).create(person.account, [])
    for page, subjects in ((0, ["m6", "m5", "m4"]), (2, ["m0"]), (3, [])):
        asked = SearchMessages(path="INBOX", search={"seen": False}, page=page, page_size=3)
        found = await person.answering.search_messages(asked, soon())
        assert (found.total, found.pages) == (7, 3)
        assert [one.subject for one in found.messages] == subjects
    nothing = SearchMessages(path="INBOX", search={"subject": "x"})
    assert (await person.answering.search_messages(nothing, soon())).total == 0
    await person.answering.close()
    await server.stop()
