"""A connection whose peer fails anywhere: one of our errors, nothing left behind (I2, I3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from postroom.clock import Deadline, SystemClock
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import ConnectFailed, ConnectionClosing, DeadlineExceeded, PostroomError
from postroom.imap.commands import Fetch, Noop, Select
from postroom.imap.framing import MOST_LINE_BYTES
from postroom.model.account import Account, Credentials
from postroom.model.account import ImapServer as Where
from postroom.model.secret import Secret
from postroom.net import imap
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection, Terms
from postroom.providers.imap.connect import connect
from tests.fakes.dovecot import message
from tests.fakes.fault_proxy import FaultProxy, Link
from tests.unit.net.test_imap import BOB, LOGGED_IN, READY, scripted

CLOCK = SystemClock()
OFFERED = "IMAP4rev1 IDLE ENABLE CONDSTORE ID"


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(CLOCK, seconds)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ImapServer]:
    mail = MailStore()
    mail.add_account("bob", "secret")
    mail.deliver("bob", message())
    started = ImapServer(mail)
    await started.start()
    yield started
    await started.stop()


async def dialogue(port: int, deadline: Deadline) -> None:
    """From connecting to reading a mail and idling."""
    where = Where(host="127.0.0.1", port=port, auth=Credentials(user="bob", password=BOB.password))
    connection = await connect(Account(account="a", imap=where), clock=CLOCK, deadline=deadline)
    try:
        await connection.run(Select("INBOX"), deadline)
        await connection.run(Fetch("1:*", "(UID FLAGS ENVELOPE BODY.PEEK[])"), deadline)
        await connection.idle(Bell(), 0.01)
        await connection.run(Noop(), deadline)
    finally:
        await connection.close()
        assert not connection.is_open


@pytest_asyncio.fixture
async def proxy(server: ImapServer) -> AsyncIterator[FaultProxy]:
    started = await FaultProxy(server.port).start()
    yield started
    await started.stop()


async def ours_left() -> list[str]:
    """Tasks of the product that outlive what started them; a moment's grace for the loop."""
    for _ in range(200):
        tasks = [repr(one.get_coro()) for one in asyncio.all_tasks()]
        left = [one for one in tasks if "ImapConnection" in one or "Wire" in one or "Event" in one]
        if not left:
            return []
        await asyncio.sleep(0.005)
    return left


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("side", ["left_from_server", "left_from_client"])
async def test_a_peer_that_goes_away_after_any_byte_is_an_error_of_ours(
    proxy: FaultProxy, side: str, is_reset: bool
) -> None:
    links: list[Link] = []
    proxy.on_link = links.append
    await dialogue(proxy.port, soon())
    said = links[0].from_server if side == "left_from_server" else links[0].from_client
    assert said > 150
    # Of the bytes that close the dialogue nobody waits for the last ones.
    for at in range(0, said - 20, said // 60):

        def programme(link: Link, at: int = at) -> None:
            if is_reset and at == 0:
                link.cut(reset=True)
            setattr(link, side, at)

        proxy.on_link = programme
        with pytest.raises((ConnectFailed, ConnectionClosing)):
            await dialogue(proxy.port, soon())
    assert await ours_left() == []


Fault = Callable[[asyncio.StreamWriter], None]


def half_close(writer: asyncio.StreamWriter) -> None:
    writer.write_eof()


def garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(b'\x00\xff{}()"\\\r\n* 1 FETCH (((((\r\n+ \r\n* ))\r\nP1 OK\r\nP99 OK\r\n' * 20)


def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"* OK " + b"x" * (MOST_LINE_BYTES + 1))


def silence(writer: asyncio.StreamWriter) -> None:
    """Say nothing more, and stay."""


def bye(writer: asyncio.StreamWriter) -> None:
    writer.write(b"* BYE going down\r\n")


@pytest.mark.parametrize(
    "fault", [half_close, garbage, endless, silence, bye], ids=lambda one: one.__name__
)
@pytest.mark.parametrize("step", range(7))
async def test_a_peer_that_talks_nonsense_at_any_step_is_an_error_of_ours(
    step: int, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "IDLE_ANSWER_S", 0.2)
    monkeypatch.setattr(imap, "AFTER_BYE_S", 0.1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = 0
        writer.write(f"* OK [CAPABILITY {OFFERED}] hi\r\n".encode() if step else b"")
        while said < step and (line := await reader.readline()):
            said += 1
            tag, _, command = line.decode().strip().partition(" ")
            if command == "IDLE":
                writer.write(b"+ idling\r\n")
            elif said < step:
                writer.write(f"{tag} OK [CAPABILITY {OFFERED}] done\r\n".encode())
        fault(writer)
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    with pytest.raises(PostroomError) as failed:
        await dialogue(port, soon(0.1 if fault is silence else 10))
    assert failed.value.temporary
    # LOGIN, ID and ENABLE still belong to connecting (I5).
    assert isinstance(failed.value, ConnectFailed) or step > 3
    assert await ours_left() == []
    listening.close()


async def test_a_server_that_falls_silent_is_left_after_the_time_of_the_option() -> None:
    async with scripted(READY, LOGGED_IN, None) as port:
        connection = await ImapConnection.open(
            Where(host="127.0.0.1", port=port),
            clock=CLOCK,
            deadline=soon(),
            terms=Terms(silence_s=0.05),
        )
        await connection.login(BOB, soon())
        with pytest.raises(DeadlineExceeded):
            await connection.run(Noop(), soon(60))
        assert not connection.is_open


async def test_a_quiet_mailbox_is_asked_again_before_it_counts_as_silent(
    server: ImapServer,
) -> None:
    connection = await ImapConnection.open(
        Where(host="127.0.0.1", port=server.port),
        clock=CLOCK,
        deadline=soon(),
        terms=Terms(silence_s=0.5),
    )
    await connection.login(Credentials(user="bob", password=Secret("secret")), soon())
    await connection.run(Select("INBOX"), soon())
    for _ in range(2):
        async with asyncio.timeout(5):
            await connection.idle(Bell(), 28 * 60)
        assert connection.is_open
    await connection.run(Noop(), soon())
    await connection.close()
