"""Command connections against a real Dovecot, with a clock whose hands the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.errors import (
    ConnectFailed,
    ConnectionUnavailable,
    DeadlineExceeded,
    MailboxNotFound,
)
from postroom.imap.commands.noop import Noop
from postroom.model.account import Account, Credentials, ImapServer
from postroom.model.secret import Secret
from postroom.net.imap import ImapConnection
from postroom.providers.imap.connect import connect
from postroom.providers.imap.sessions import IDLE_S, CommandConnections
from tests.fakes.clock import FakeClock
from tests.fakes.dovecot import PASSWORD, Dovecot, message, running_dovecot

pytestmark = pytest.mark.dovecot
REAL = SystemClock()


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with running_dovecot("ssl = no\n") as started:
        yield started


@pytest_asyncio.fixture
async def opened() -> list[ImapConnection]:
    return []


@pytest_asyncio.fixture
async def connections(
    server: Dovecot, clock: FakeClock, opened: list[ImapConnection]
) -> AsyncIterator[CommandConnections]:
    credentials = Credentials(user="sessions", password=Secret(PASSWORD))
    account = Account(
        account="a", imap=ImapServer(host="127.0.0.1", port=server.port, auth=credentials)
    )

    async def open_one(deadline: Deadline) -> ImapConnection:
        opened.append(await connect(account, clock=REAL, deadline=deadline))
        return opened[-1]

    pool = CommandConnections(open_one, clock)
    yield pool
    await pool.close()
    assert not any(connection.is_open for connection in opened)


def soon() -> Deadline:
    return Deadline.after(REAL, 10)


async def test_a_connection_is_kept_and_closed_after_a_minute_of_rest(
    connections: CommandConnections, clock: FakeClock, opened: list[ImapConnection]
) -> None:
    for _ in range(3):
        async with connections.use(soon(), "INBOX"):
            pass
    assert len(opened) == 1
    await asyncio.sleep(0)
    await clock.advance(IDLE_S - 1)
    assert opened[0].is_open
    await clock.advance(IDLE_S)
    async with connections.use(soon(), "INBOX"):
        assert len(opened) == 2


async def test_the_connection_on_the_mailbox_is_chosen(
    connections: CommandConnections, opened: list[ImapConnection]
) -> None:
    async with connections.use(soon(), "INBOX") as inbox, connections.use(soon(), "Sent") as sent:
        assert inbox.connection is not sent.connection
    async with connections.use(soon(), "INBOX") as again:
        assert again.connection is inbox.connection
    assert len(opened) == 2


async def test_waiting_for_a_connection_ends_with_the_deadline(
    connections: CommandConnections,
) -> None:
    async with connections.use(soon()), connections.use(soon()):
        with pytest.raises(DeadlineExceeded):
            async with connections.use(Deadline.after(REAL, 0.01)):
                pass
    async with connections.use(soon()) as session:
        await session.run(Noop(), soon())


async def test_waiters_are_served_in_order(connections: CommandConnections) -> None:
    served: list[int] = []

    async def wait(number: int) -> None:
        async with connections.use(soon()):
            served.append(number)

    # With one of the two held all the time, the others can only follow one another.
    async with connections.use(soon()):
        async with connections.use(soon()):
            waiting = [asyncio.create_task(wait(number)) for number in range(6)]
            await asyncio.sleep(0)
        await asyncio.gather(*waiting)
    assert served == sorted(served)


async def test_a_refused_select_leaves_a_usable_connection(
    connections: CommandConnections, opened: list[ImapConnection]
) -> None:
    for _ in range(2):
        with pytest.raises(MailboxNotFound):
            async with connections.use(soon(), "Nowhere"):
                pass
    async with connections.use(soon(), "INBOX"):
        assert len(opened) == 1


async def test_news_keep_the_count_of_messages_right(
    connections: CommandConnections, server: Dovecot
) -> None:
    async with connections.use(soon(), "Junk") as session:
        assert session.exists == 0
    server.deliver("sessions", message(), "Junk")
    async with connections.use(soon(), "Junk") as session:
        assert session.exists == 1


async def test_a_failure_of_the_user_gives_the_connection_back(
    connections: CommandConnections, opened: list[ImapConnection]
) -> None:
    for _ in range(5):
        with pytest.raises(KeyError):
            async with connections.use(soon()):
                raise KeyError
    assert len(opened) == 1


async def test_closed_connections_are_not_used_again(connections: CommandConnections) -> None:
    async with connections.use(soon(), "INBOX") as session:
        await connections.close()
    assert not session.connection.is_open
    with pytest.raises(ConnectionUnavailable):
        async with connections.use(soon()):
            pass


async def test_a_connection_taken_while_another_is_swept_is_kept(
    connections: CommandConnections,
    clock: FakeClock,
    opened: list[ImapConnection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with connections.use(soon(), "INBOX"), connections.use(soon(), "Sent"):
        pass
    is_closing, may_close = asyncio.Event(), asyncio.Event()
    close = ImapConnection.close

    async def slow_close(connection: ImapConnection) -> None:
        is_closing.set()
        await may_close.wait()
        await close(connection)

    monkeypatch.setattr(ImapConnection, "close", slow_close)
    await asyncio.sleep(0)
    await clock.advance(2 * IDLE_S)
    await asyncio.wait_for(is_closing.wait(), 5)
    async with connections.use(soon()):
        may_close.set()
        sweeper = connections._sweeper
        assert sweeper is not None
        await asyncio.wait([sweeper], timeout=1)
        assert not sweeper.done() or sweeper.exception() is None
    assert len(opened) == 2


async def test_a_call_in_line_when_the_account_closes_opens_nothing(
    connections: CommandConnections, opened: list[ImapConnection]
) -> None:
    async with connections.use(soon()), connections.use(soon()):
        waiting = asyncio.create_task(_use(connections))
        await asyncio.sleep(0)
        await connections.close()
    with pytest.raises(ConnectionUnavailable):
        await waiting
    assert len(opened) == 2


async def _use(connections: CommandConnections) -> None:
    async with connections.use(soon()):
        pass


@pytest_asyncio.fixture
async def crowded(
    server: Dovecot, clock: FakeClock, opened: list[ImapConnection]
) -> AsyncIterator[tuple[CommandConnections, list[str]]]:
    """Connections to a server that bears one of ours at a time, and what became of each try."""
    credentials = Credentials(user="crowded", password=Secret(PASSWORD))
    account = Account(
        account="a", imap=ImapServer(host="127.0.0.1", port=server.port, auth=credentials)
    )
    tries: list[str] = []

    async def open_one(deadline: Deadline) -> ImapConnection:
        is_opening = len(opened) < tries.count("opened")
        if is_opening or any(connection.is_open for connection in opened):
            tries.append("refused")
            raise ConnectFailed("Maximum number of connections from user+IP exceeded")
        tries.append("opened")
        opened.append(await connect(account, clock=REAL, deadline=deadline))
        return opened[-1]

    pool = CommandConnections(open_one, clock)
    yield pool, tries
    await pool.close()


async def test_where_the_server_bears_one_connection_calls_share_it(
    crowded: tuple[CommandConnections, list[str]], clock: FakeClock
) -> None:
    pool, tries = crowded

    async def call() -> None:
        async with pool.use(soon(), "INBOX") as session:
            await session.run(Noop(), soon())

    await asyncio.gather(*(call() for _ in range(8)))
    assert tries == ["opened", "refused"]
    async with pool.use(soon()):
        with pytest.raises(DeadlineExceeded):
            async with pool.use(Deadline.after(REAL, 0.05)):
                pass
    # After a quiet minute it is tried once more; the kept connection has been closed by then.
    await asyncio.sleep(0)
    await clock.advance(2 * IDLE_S)
    await asyncio.gather(*(call() for _ in range(8)))
    assert tries == ["opened", "refused"] * 2
    assert pool._lanes.free == 2


async def test_a_connection_that_breaks_in_use_lets_the_waiting_open_one(
    crowded: tuple[CommandConnections, list[str]],
) -> None:
    pool, tries = crowded
    async with pool.use(soon()) as session:
        waiting = asyncio.create_task(_use(pool))
        while tries != ["opened", "refused"]:
            await asyncio.sleep(0)
        session.connection._wire.abort()
    await waiting
    assert tries == ["opened", "refused", "opened"]


async def test_a_server_that_bears_none_is_not_waited_for(
    crowded: tuple[CommandConnections, list[str]], opened: list[ImapConnection], server: Dovecot
) -> None:
    pool, _ = crowded
    async with pool.use(soon()) as session:
        pass
    # Somebody else's connection, as the watcher's is.
    pool._idle.remove(session)
    with pytest.raises(ConnectionUnavailable):
        async with pool.use(soon()):
            pass
    await session.connection.close()


async def test_two_that_are_refused_do_not_wait_for_each_other(
    crowded: tuple[CommandConnections, list[str]], opened: list[ImapConnection]
) -> None:
    pool, tries = crowded
    async with pool.use(soon()) as session:
        pass
    pool._idle.remove(session)
    outcomes = await asyncio.gather(*(_use(pool) for _ in range(4)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {ConnectionUnavailable}
    assert tries[1:] == ["refused"] * len(tries[1:])
    assert (pool._lanes.free, pool._uses, pool._waiting) == (2, 0, [])
    await session.connection.close()
