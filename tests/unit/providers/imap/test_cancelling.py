"""A call cancelled at any await point (I4), and servers that answer with another range (I25).

The mail server is the small one of `demo`, which counts its clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.crypto import Sealer
from postroom.demo import imap_messages
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.model.account import Account, Credentials
from postroom.model.account import ImapServer as Server
from postroom.model.message import FlagChange
from postroom.model.operations import (
    AppendMessage,
    DownloadSource,
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
from postroom.providers.imap.download import (
    CHUNK_BYTES,
    LEAST_CHUNK_BYTES,
    MOST_CHUNK_BYTES,
    Downloading,
)
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.mailboxes import Mailboxes
from tests.fakes.dovecot import message
from tests.unit.providers.imap.test_answering import Requests, whole

CLOCK = SystemClock()
LARGE = message("large", text="line\n" * (CHUNK_BYTES // 2))
Call = Callable[[ImapAnswering, str], Awaitable[object]]


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ImapServer]:
    mail = MailStore()
    mail.add_account("u", "secret")
    mail.deliver("u", LARGE)
    for number in range(30):
        mail.deliver("u", message(f"mail {number}"))
    started = ImapServer(mail)
    await started.start()
    yield started
    await started.stop()


@pytest_asyncio.fixture
async def answering(server: ImapServer, store: Store) -> AsyncIterator[ImapAnswering]:
    credentials = Credentials(user="u", password=Secret("secret"))
    account = Account(
        account="a", imap=Server(host="127.0.0.1", port=server.port, auth=credentials)
    )
    await Accounts(store, Sealer(None), CLOCK).create(account, [])

    async def open_connection(deadline: Deadline) -> ImapConnection:
        return await connect(account, clock=CLOCK, deadline=deadline)

    answers = ImapAnswering(
        account, Mailboxes(store), CLOCK, open_connection=open_connection, watcher=Requests()
    )
    yield answers
    await answers.close()


async def _source(answers: ImapAnswering, message_id: str) -> object:
    return await whole(await answers.download_source(DownloadSource(message=message_id), soon()))


CALLS: dict[str, Call] = {
    "mailboxes": lambda answers, _id: answers.list_mailboxes(ListMailboxes(counters=True), soon()),
    "list": lambda answers, _id: answers.list_messages(ListMessages(path="INBOX"), soon()),
    "search": lambda answers, _id: answers.search_messages(
        SearchMessages(path="INBOX", search={"unseen": True}), soon()
    ),
    "get": lambda answers, id_: answers.get_message(GetMessage(message=id_, text_type="*"), soon()),
    "flags": lambda answers, id_: answers.update_message(
        UpdateMessage(message=id_, flags=FlagChange(add=("\\Seen",))), soon()
    ),
    "move": lambda answers, id_: answers.move_message(
        MoveMessage(message=id_, path="Archive"), soon()
    ),
    "append": lambda answers, _id: answers.append_message(
        AppendMessage(path="Sent", raw=message("kept"), message_id="<k@x>", once=True), soon()
    ),
    "source": _source,
}


async def _steps(count: int) -> None:
    """So many turns of the event loop, with the time that sockets need now and then."""
    for turn in range(count):
        await asyncio.sleep(0.001 if turn % 8 == 7 else 0)


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_cancelled_anywhere_leaves_nothing_held(
    answering: ImapAnswering, server: ImapServer, name: str
) -> None:
    for turns in range(0, 60, 2):
        page = await answering.list_messages(ListMessages(path="INBOX", page_size=5), soon())
        task = asyncio.ensure_future(CALLS[name](answering, page.messages[0].id))
        await _steps(turns)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert answering._connections._lanes.free == 2
        assert all(session.connection.is_open for session in answering._connections._idle)
        # Nobody waits for an answer that the cancelled call has left behind.
        again = await answering.list_messages(ListMessages(path="INBOX", page_size=5), soon())
        assert [one.id for one in again.messages][1:] or again.total > 0
    async with asyncio.timeout(5):
        while server.connections > 2:
            await asyncio.sleep(0.01)


async def test_a_download_left_at_any_chunk_frees_its_connection(
    answering: ImapAnswering, server: ImapServer
) -> None:
    page = await answering.list_messages(ListMessages(path="INBOX", page_size=100), soon())
    large = DownloadSource(message=page.messages[-1].id)
    for kept in range(3):
        download = await answering.download_source(large, soon())
        chunks = aiter(download.chunks)
        for _ in range(kept):
            await anext(chunks)
        assert answering._connections._lanes.free == 2
    assert await whole(await answering.download_source(large, soon())) == LARGE
    assert server.connections <= 2


async def test_a_server_without_ranges_sends_the_source_once(
    answering: ImapAnswering, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = imap_messages._section

    def whole_section(kept: object, found: object) -> object:
        name, data = straight(kept, found)  # type: ignore[arg-type]
        return [name, data] if "<" not in str(name) else _unranged(kept, found)

    def _unranged(kept: object, found: object) -> object:
        named = imap_messages._SECTION.match(f"BODY[{found[2]}]")  # type: ignore[index]
        return straight(kept, named)  # type: ignore[arg-type]

    monkeypatch.setattr(imap_messages, "_section", whole_section)
    page = await answering.list_messages(ListMessages(path="INBOX", page_size=100), soon())
    asked = DownloadSource(message=page.messages[-1].id)
    assert await whole(await answering.download_source(asked, soon())) == LARGE


async def test_counters_come_without_list_status_too(store: Store) -> None:
    mail = MailStore()
    mail.add_account("u", "secret")
    mail.deliver("u", message("one"))
    mail.create("u", "R/e/" + "deep/" * 60 + "est")
    for number in range(2_000):
        mail.create("u", f"many/m{number}")
    server = ImapServer(mail, hidden=("LIST-STATUS",))
    await server.start()
    credentials = Credentials(user="u", password=Secret("secret"))
    account = Account(
        account="a", imap=Server(host="127.0.0.1", port=server.port, auth=credentials)
    )

    async def open_connection(deadline: Deadline) -> ImapConnection:
        return await connect(account, clock=CLOCK, deadline=deadline)

    answers = ImapAnswering(
        account, Mailboxes(store), CLOCK, open_connection=open_connection, watcher=Requests()
    )
    listed = (await answers.list_mailboxes(ListMailboxes(counters=True), soon())).mailboxes
    plain = (await answers.list_mailboxes(ListMailboxes(counters=False), soon())).mailboxes
    await answers.close()
    await server.stop()
    assert len(listed) == len(plain) == 2_007
    assert listed[0].path == "INBOX"
    assert listed[0].status is not None
    assert (listed[0].status.messages, listed[0].status.unseen) == (1, 1)
    assert all(mailbox.status is not None for mailbox in listed)
    assert all(mailbox.status is None for mailbox in plain)


async def test_a_call_is_answered_while_many_downloads_are_read(
    answering: ImapAnswering, server: ImapServer
) -> None:
    page = await answering.list_messages(ListMessages(path="INBOX", page_size=100), soon())
    large = DownloadSource(message=page.messages[-1].id)
    reading = [asyncio.create_task(_source(answering, large.message)) for _ in range(6)]
    # While they last, one connection is always free for calls.
    while not all(task.done() for task in reading):
        assert await answering.list_messages(ListMessages(path="INBOX", page_size=1), soon())
        assert answering._connections._lanes._bulk_free >= 0
    assert [await task for task in reading] == [LARGE] * 6
    assert server.connections <= 2


@pytest.mark.parametrize("chunk_bytes", [1, 5_000, 100_000_000])
async def test_a_download_is_the_same_in_chunks_of_any_size(
    answering: ImapAnswering, chunk_bytes: int
) -> None:
    page = await answering.list_messages(ListMessages(path="INBOX", page_size=100), soon())
    asked = DownloadSource(message=page.messages[-1].id)
    downloading = Downloading(answering._places, CLOCK, chunk_bytes)
    assert LEAST_CHUNK_BYTES <= downloading._chunk_bytes <= MOST_CHUNK_BYTES
    assert await whole(await downloading.download_source(asked, soon())) == LARGE
