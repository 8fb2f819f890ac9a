"""Connecting given up at any moment, by any road: no socket, no task and no session stays (I4)."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from postroom.clock import Deadline, SystemClock
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.model.account import Account, Credentials
from postroom.model.account import ImapServer as Where
from postroom.model.secret import Secret
from postroom.net import tls
from postroom.net.smtp import SmtpConnection, SmtpTarget
from postroom.providers.imap.connect import ConnectOptions, Use, connect
from postroom.providers.roads import RoadSettings, smtp_road
from tests.fakes.dovecot import make_certificate
from tests.fakes.proxies import running_proxy
from tests.fakes.smtp_sink import SmtpSink

CLOCK = SystemClock()
ROADS = ["", "http", "https", "socks4", "socks5"]


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("leaving")
    make_certificate(directory)
    return directory


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    tls._context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    yield context
    tls._context.cache_clear()


def sockets() -> int:
    """Open sockets of this process."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")
        except OSError:
            continue
    return found


@asynccontextmanager
async def road_settings(kind: str, context: ssl.SSLContext) -> AsyncIterator[RoadSettings]:
    async with AsyncExitStack() as leaving:
        if not kind:
            yield RoadSettings()
            return
        outside = context if kind == "https" else None
        proxy = await leaving.enter_async_context(running_proxy(outside))
        yield RoadSettings(proxy_url=f"{kind}://localhost:{proxy.port}")


async def given_up_at_each_turn(attempt: Callable[[], Awaitable[None]], most: int) -> None:
    """Start the attempt again and again, and cancel it a little later each time."""
    for turns in range(0, most, 2):
        task = asyncio.ensure_future(attempt())
        for turn in range(turns):
            await asyncio.sleep(0.0005 if turn % 4 == 3 else 0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled(before: int) -> None:
    """Everything the attempts opened is closed; the peers need a moment to notice."""
    async with asyncio.timeout(10):
        while sockets() > before:
            await asyncio.sleep(0.01)


async def _connecting(kind: str, context: ssl.SSLContext, *, secure: bool) -> None:
    mail = MailStore()
    mail.add_account("u", "secret")
    server = ImapServer(mail, tls=context if secure else None)
    port = await server.start()
    where = Where(
        host="localhost",
        port=port,
        secure=secure,
        auth=Credentials(user="u", password=Secret("secret")),
    )
    async with road_settings(kind, context) as settings:
        options = ConnectOptions(road=settings)

        async def attempt() -> None:
            connection = await connect(
                Account(account="a", imap=where),
                clock=CLOCK,
                deadline=soon(),
                options=options,
                use=Use.ANSWERING,
            )
            await connection.close()

        await attempt()
        before = sockets()
        await given_up_at_each_turn(attempt, 160)
        await settled(before)
        async with asyncio.timeout(10):
            while server.connections:
                await asyncio.sleep(0.01)
        await attempt()
    await server.stop()


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("kind", ROADS)
def test_connecting_given_up_at_any_moment_leaves_no_socket(
    kind: str, secure: bool, trusted: ssl.SSLContext
) -> None:
    uvloop.run(_connecting(kind, trusted, secure=secure))


async def _sending(kind: str, context: ssl.SSLContext) -> None:
    sink = await SmtpSink().start()
    async with road_settings(kind, context) as settings:
        road = smtp_road(Account(account="a"), settings, ConnectOptions().rules)
        target = SmtpTarget("localhost", sink.port, road=road)

        async def attempt() -> None:
            await (await SmtpConnection.open(target, soon())).close()

        await attempt()
        before = sockets()
        await given_up_at_each_turn(attempt, 80)
        await settled(before)
    await sink.stop()


@pytest.mark.parametrize("kind", ROADS)
def test_opening_smtp_given_up_at_any_moment_leaves_no_socket(
    kind: str, trusted: ssl.SSLContext
) -> None:
    uvloop.run(_sending(kind, trusted))
