"""Servers that misbehave, played by small scripts on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from postroom.accounts.holding import Equipment, Holding
from postroom.backoff import RECONNECT
from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.crypto import Sealer
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.mailboxes import Mailboxes
from postroom.store.settings import Settings
from tests.fakes.clock import FakeClock
from tests.unit.accounts.watching import imap_account, world

Say = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def scripted(say: Say) -> AsyncIterator[tuple[int, list[float]]]:
    """A server that runs `say` for each connection; its port, and a list of the connections."""
    connections: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.get_running_loop().time())
        try:
            await say(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], connections
    finally:
        server.close()


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"* OK [CAPABILITY IMAP4rev1 IDLE] hello\r\n")
    await writer.drain()


async def garbage(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff((((\r\n" * 50)
    await writer.drain()


async def until_login(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await greet(reader, writer)
    while line := await reader.readline():
        tag, _, rest = line.partition(b" ")
        if rest.upper().startswith(b"LOGIN") or rest.upper().startswith(b"AUTHENTICATE"):
            writer.write(tag + b" OK [CAPABILITY IMAP4rev1 IDLE] welcome\r\n")
        elif rest.upper().startswith(b"LIST"):
            return
        else:
            writer.write(tag + b" OK done\r\n")
        await writer.drain()


async def empty_list(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await greet(reader, writer)
    while line := await reader.readline():
        tag = line.partition(b" ")[0]
        writer.write(tag + b" OK done\r\n")
        await writer.drain()


async def settle(connections: list[float], count: int) -> None:
    """Let real sockets do their part until `count` connections came and went."""
    async with asyncio.timeout(5):
        while len(connections) < count:
            await asyncio.sleep(0.005)
    for _ in range(30):
        await asyncio.sleep(0.005)


async def _answer_until(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, last: bytes, end: bytes
) -> None:
    """Answer everything well, with an INBOX, up to a command whose end is `end`."""
    await greet(reader, writer)
    while line := await reader.readline():
        tag, _, rest = line.strip().partition(b" ")
        name = rest.split(b" ")[0].upper()
        answer = b'* LIST () "/" INBOX\r\n' if name == b"LIST" else b""
        writer.write(answer + tag + (end if name == last else b" OK done\r\n"))
        await writer.drain()
        if name == last:
            return


async def until_select(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _answer_until(reader, writer, b"EXAMINE", b" OK done\r\n")


async def refuses_the_main_mailbox(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await _answer_until(reader, writer, b"EXAMINE", b" NO not today\r\n")


@pytest.mark.parametrize(
    "say",
    [hang_up, greet, garbage, until_login, empty_list, until_select, refuses_the_main_mailbox],
)
async def test_attempts_follow_the_back_off_whatever_the_server_does(
    store: Store, clock: FakeClock, say: Say
) -> None:
    accounts = Accounts(store, Sealer(None), clock)
    settings = Settings(store, Sealer(None), clock)
    owners = Owners(store, Members(store, clock))
    async with scripted(say) as (port, connections):
        await accounts.create(imap_account("a", "u", port), [])
        owner = await owners.assign("a", "w")
        account, status = await accounts.get_with_status("a")
        equipment = Equipment(accounts, Mailboxes(store), settings, clock)
        holding = Holding(account, status, owner, 1, equipment)
        holding.start()
        try:
            for attempt in range(1, 8):
                await settle(connections, attempt)
                _, status = await accounts.get_with_status("a")
                assert status.state in ("connectError", "disconnected")
                least_s = RECONNECT.first_ms * RECONNECT.factor ** (attempt - 1) / 1000
                await clock.advance(min(least_s, RECONNECT.most_ms / 1000) - 0.01)
                await settle(connections, attempt)
                assert len(connections) == attempt
                await clock.advance(1.02)
        finally:
            await holding.stop()


def with_validity(value: bytes) -> Say:
    """A server with an INBOX of this UIDVALIDITY and one message."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        while line := await reader.readline():
            tag, _, rest = line.strip().partition(b" ")
            answers = {
                b"LIST": b'* LIST () "/" INBOX\r\n',
                b"EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY " + value + b"] so\r\n",
                b"UID": b"* 1 FETCH (UID 1 FLAGS ())\r\n",
            }
            writer.write(answers.get(rest.split(b" ")[0].upper(), b"") + tag + b" OK done\r\n")
            await writer.drain()

    return say


@pytest.mark.parametrize(
    ("value", "is_kept"), [(b"0", False), (b"4294967296", False), (b"x", False), (b"7", True)]
)
async def test_a_senseless_uid_validity_never_becomes_state(
    store: Store, value: bytes, is_kept: bool
) -> None:
    async with scripted(with_validity(value)) as (port, connections), world(store) as here:
        await here.register(imap_account("a", "u", port, notify_from="2099-01-01T00:00:00.000Z"))

        async def has_looked() -> bool:
            return len(connections) > 2 or bool(await here.mailboxes.cursors("a"))

        await here.until(has_looked)
        assert ("INBOX" in await here.mailboxes.cursors("a")) is is_kept
