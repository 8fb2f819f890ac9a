"""The connection against a real Dovecot, and against peers that fail at each step."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.errors import (
    AuthenticationRefused,
    ConnectFailed,
    ConnectionClosing,
    DeadlineExceeded,
    InvalidInput,
)
from postroom.imap.commands import Append, Create, Fetch, Noop, Search, Select, Status
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.types import Bye, Exists, Unsolicited
from postroom.model.account import Credentials, ImapServer, TlsOptions
from postroom.model.secret import MASK, Secret
from postroom.net.bell import Bell
from postroom.net.imap import ImapConnection
from tests.fakes.dovecot import PASSWORD, Dovecot, free_port, message, running_dovecot

CLOCK = SystemClock()
BOB = Credentials(user="bob", password=Secret(PASSWORD))


def soon(seconds: float = 20) -> Deadline:
    return Deadline.after(CLOCK, seconds)


@pytest.fixture(scope="module")
def dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield server


async def connect(
    port: int, *, secure: bool = False, verify: bool = False, host: str = "127.0.0.1"
) -> ImapConnection:
    where = ImapServer(host=host, port=port, secure=secure)
    return await ImapConnection.open(where, clock=CLOCK, deadline=soon(), verify=verify)


async def logged_in(dovecot: Dovecot) -> ImapConnection:
    connection = await connect(dovecot.port)
    await connection.login(BOB, soon())
    return connection


@pytest.mark.dovecot
@pytest.mark.parametrize("secure", [True, False])
async def test_tls_and_starttls_encrypt_and_log_in(dovecot: Dovecot, secure: bool) -> None:
    connection = await connect(dovecot.tls_port if secure else dovecot.port, secure=secure)
    assert connection.is_encrypted
    await connection.login(BOB, soon())
    assert connection.has("CONDSTORE")
    await connection.logout(soon())
    assert not connection.is_open


@pytest.mark.dovecot
async def test_a_server_without_starttls_is_used_in_the_clear() -> None:
    with running_dovecot("ssl = no") as server:
        connection = await connect(server.port)
        assert not connection.is_encrypted
        await connection.login(BOB, soon())
        await connection.close()


@pytest.mark.dovecot
@pytest.mark.parametrize("secure", [True, False])
async def test_a_self_signed_certificate_is_refused_by_name(dovecot: Dovecot, secure: bool) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await connect(dovecot.tls_port if secure else dovecot.port, secure=secure, verify=True)
    assert failed.value.public_code == "DEPTH_ZERO_SELF_SIGNED_CERT"
    lax = ImapServer(
        host="127.0.0.1",
        port=dovecot.tls_port,
        secure=True,
        tls=TlsOptions(reject_unauthorized=False),
    )
    connection = await ImapConnection.open(lax, clock=CLOCK, deadline=soon(), verify=True)
    await connection.close()


@pytest.mark.dovecot
async def test_a_wrong_password_is_a_refusal_without_the_password(dovecot: Dovecot) -> None:
    connection = await connect(dovecot.port)
    with pytest.raises(AuthenticationRefused) as refused:
        await connection.login(Credentials(user="bob", password=Secret("hunter2")), soon())
    assert refused.value.public_code == "AUTHENTICATIONFAILED"
    assert "hunter2" not in repr(refused.value) + repr(refused.value.log)
    assert refused.value.__cause__ is None
    await connection.close()


@pytest.mark.dovecot
async def test_tls_to_a_plain_port_fails_by_name(dovecot: Dovecot) -> None:
    with pytest.raises(ConnectFailed) as failed:
        await connect(dovecot.port, secure=True)
    assert failed.value.public_code == "ERR_SSL_WRONG_VERSION_NUMBER"


async def test_a_refused_connection_and_an_unknown_host_fail_by_name() -> None:
    with pytest.raises(ConnectFailed) as failed:
        await connect(free_port())
    assert failed.value.public_code == "ECONNREFUSED"
    assert failed.value.temporary
    for host in ("no-such-host.invalid", "a" * 70 + ".example"):
        with pytest.raises(ConnectFailed) as failed:
            await connect(143, host=host)
        assert failed.value.public_code == "ENOTFOUND"


@pytest.mark.dovecot
async def test_commands_run_one_at_a_time_in_order(dovecot: Dovecot) -> None:
    connection = await logged_in(dovecot)
    await connection.run(Create("Queue"), soon())
    raw = message("queued")
    await asyncio.gather(*(connection.run(Append("Queue", raw), soon()) for _ in range(20)))
    assert (await connection.run(Status("Queue"), soon())).messages == 20
    await connection.close()


@pytest.mark.dovecot
async def test_a_refused_or_impossible_command_leaves_the_connection_usable(
    dovecot: Dovecot,
) -> None:
    connection = await logged_in(dovecot)
    with pytest.raises(ImapRefused) as refused:
        await connection.run(Create("INBOX"), soon())
    assert refused.value.response_code == "ALREADYEXISTS"
    with pytest.raises(InvalidInput):
        await connection.run(Fetch("1\r\n", "(UID)"), soon())
    assert connection.is_open
    await connection.run(Noop(), soon())
    await connection.close()


@pytest.mark.dovecot
async def test_idle_returns_for_news_for_wake_and_for_the_end_of_the_time(
    dovecot: Dovecot,
) -> None:
    news: list[Unsolicited] = []
    connection = await logged_in(dovecot)
    connection.on_unsolicited = news.append
    selected = await connection.run(Select("INBOX"), soon())
    listening = asyncio.create_task(connection.idle(Bell(), 30))
    await asyncio.to_thread(dovecot.deliver, "bob", message("news"))
    await listening
    assert Exists(selected.exists + 1) in news
    await connection.idle(Bell(), 0.05)
    wake = Bell()
    wake.set()
    await connection.idle(wake, 30)
    assert selected.exists + 1 in await connection.run(Search(("ALL",), by_uid=False), soon())
    await connection.close()


@pytest.mark.dovecot
async def test_a_cancelled_command_closes_the_connection(dovecot: Dovecot) -> None:
    connection = await logged_in(dovecot)
    listening = asyncio.create_task(connection.idle(Bell(), 30))
    await asyncio.sleep(0)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert not connection.is_open
    with pytest.raises(ConnectionClosing):
        await connection.run(Noop(), soon())


@asynccontextmanager
async def scripted(*answers: bytes | None) -> AsyncIterator[int]:
    """A server that sends the first answer at once and one after each line; None goes silent,
    the end of the list closes."""

    served: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(ended := asyncio.Event())
        for at, answer in enumerate(answers):
            line = await reader.readline() if at else b""
            if answer is None:
                await reader.read()
                break
            writer.write(answer.replace(b"TAG", line.split(b" ")[0]))
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for ended in served:
        await ended.wait()


READY = b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n"
LOGGED_IN = b"TAG OK [CAPABILITY IMAP4rev1 IDLE] in\r\n"


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ((b"",), "ECONNRESET"),
        ((b"* BYE Too busy\r\n",), "ECONNRESET"),
        ((b"220 smtp\r\n", None), "EPROTOCOL"),
        ((b"\x16\x03\x01 garbage\r\n", None), "EPROTOCOL"),
        ((b"* OK hello\r\n",), "ECONNRESET"),
        ((b"* OK hello\r\n", b"TAG BAD what\r\n"), "EPROTOCOL"),
        ((b"* OK [CAPABILITY STARTTLS] x\r\n", b"TAG NO not now\r\n"), "EPROTOCOL"),
        ((b"* OK [CAPABILITY STARTTLS] x\r\n", b"TAG OK go\r\n* OK more\r\n", None), "EPROTOCOL"),
        ((b"* OK [CAPABILITY STARTTLS] x\r\n", b"TAG OK go\r\n"), "ECONNRESET"),
    ],
)
async def test_a_peer_that_fails_while_connecting_is_a_failed_connection(
    answers: tuple[bytes | None, ...], code: str
) -> None:
    async with scripted(*answers) as port:
        with pytest.raises(ConnectFailed) as failed:
            await connect(port)
    assert failed.value.public_code == code


async def test_a_silent_server_is_a_timeout_not_a_refusal() -> None:
    async with scripted(b"", None) as port:
        where = ImapServer(host="127.0.0.1", port=port)
        with pytest.raises(ConnectFailed) as failed:
            await ImapConnection.open(where, clock=CLOCK, deadline=soon(0.05))
    assert failed.value.public_code == "ETIMEDOUT"
    async with scripted(READY, None) as port:
        connection = await connect(port)
        with pytest.raises(ConnectFailed) as failed:
            await connection.login(BOB, soon(0.05))
    assert failed.value.public_code == "ETIMEDOUT"
    assert not connection.is_open


@pytest.mark.parametrize(
    "answer",
    [
        b"TAG NO [UNAVAILABLE] later\r\n",
        b"TAG NO [INUSE] later\r\n",
        b"TAG NO [ALERT] Too many simultaneous connections. (Failure)\r\n",
        b"TAG NO Temporary authentication failure\r\n",
        b"TAG BAD what\r\n",
        b"* BYE shutting down\r\n",
        b"\x00\r\n",
    ],
)
async def test_a_login_that_fails_for_other_reasons_is_no_refusal_of_the_credentials(
    answer: bytes,
) -> None:
    async with scripted(READY, answer) as port:
        connection = await connect(port)
        with pytest.raises(ConnectFailed):
            await connection.login(BOB, soon())
        await connection.close()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"TAG NO [AUTHENTICATIONFAILED] no\r\n", "AUTHENTICATIONFAILED"),
        (b"TAG NO LOGIN failed.\r\n", "AUTHENTICATIONFAILED"),
        (b"TAG NO [ALERT] Application-specific password required\r\n", "AUTHENTICATIONFAILED"),
        (b"TAG NO [WEBALERT https://x] Web login required.\r\n", "WEBALERT"),
        (b"TAG NO [EXPIRED] password secret is too old\r\n", "EXPIRED"),
        (b"TAG NO [PRIVACYREQUIRED] not AGJvYgBzZWNyZXQ= here\r\n", "PRIVACYREQUIRED"),
    ],
)
async def test_a_login_that_the_server_refuses_is_a_refusal(answer: bytes, code: str) -> None:
    async with scripted(READY, answer) as port:
        connection = await connect(port)
        with pytest.raises(AuthenticationRefused) as refused:
            await connection.login(BOB, soon())
        assert refused.value.public_code == code
        assert PASSWORD not in refused.value.text
        assert "AGJvYgBzZWNyZXQ" not in refused.value.text
        await connection.close()


async def test_a_mechanism_that_is_not_understood_is_followed_by_the_next() -> None:
    offer = b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] ready\r\n"
    async with scripted(offer, b"TAG BAD unknown\r\n", LOGGED_IN, None) as port:
        connection = await connect(port)
        await connection.login(BOB, soon())
        await connection.close()


async def test_without_a_way_to_log_in_nothing_is_sent() -> None:
    async with scripted(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n", b"sent!\r\n") as port:
        connection = await connect(port)
        with pytest.raises(ConnectFailed) as failed:
            await connection.login(BOB, soon())
        assert failed.value.public_code == "ENOAUTH"
        assert connection.is_open
        await connection.close()


async def test_a_preauthenticated_connection_needs_no_login() -> None:
    ready = b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n"
    async with scripted(ready, b"* CAPABILITY IMAP4rev1 MOVE\r\nTAG OK\r\n", None) as port:
        connection = await connect(port)
        await connection.login(BOB, soon())
        assert connection.has("MOVE")
        await connection.close()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", ConnectionClosing),
        (b"* BYE going down\r\n", ConnectionClosing),
        # A malformed item costs that item only; here the end follows it.
        (b"* 1 FETCH (((\r\n", ConnectionClosing),
        (b"* 1 FETCH (BODY[] {999999999}\r\n", ProtocolViolation),
        (b"P99 OK whose?\r\n", ProtocolViolation),
        (b"* 1 FETCH (UID 3 BODY[] {100}\r\nhalf", ConnectionClosing),
    ],
)
async def test_a_peer_that_breaks_off_or_talks_nonsense_ends_the_connection(
    answer: bytes, error: type[Exception]
) -> None:
    async with scripted(READY, LOGGED_IN, answer) as port:
        connection = await connect(port)
        await connection.login(BOB, soon())
        with pytest.raises(error):
            await connection.run(Fetch("1:*", "(UID)"), soon())
        assert not connection.is_open
        await connection.close()
        await connection.close()


async def test_a_command_out_of_time_closes_but_waiting_for_the_turn_does_not() -> None:
    async with scripted(READY, LOGGED_IN, b"+ idling\r\n", None) as port:
        connection = await connect(port)
        await connection.login(BOB, soon())
        listening = asyncio.create_task(connection.idle(Bell(), 30))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await connection.run(Noop(), soon(0.05))
        assert connection.is_open
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    async with scripted(READY, LOGGED_IN, None) as port:
        connection = await connect(port)
        await connection.login(BOB, soon())
        with pytest.raises(DeadlineExceeded):
            await connection.run(Noop(), soon(0.05))
        assert not connection.is_open


async def test_a_goodbye_during_idle_is_told_and_ends_it() -> None:
    news: list[Unsolicited] = []
    async with scripted(READY, LOGGED_IN, b"+ idling\r\n* BYE timeout\r\n", b"") as port:
        connection = await connect(port)
        connection.on_unsolicited = news.append
        await connection.login(BOB, soon())
        with pytest.raises(ConnectionClosing):
            await connection.idle(Bell(), 30)
    assert news == [Bye("timeout")]


async def test_a_server_that_refuses_idle_is_an_answer() -> None:
    async with scripted(READY, LOGGED_IN, b"TAG NO not here\r\n", None) as port:
        connection = await connect(port)
        await connection.login(BOB, soon())
        with pytest.raises(ImapRefused):
            await connection.idle(Bell(), 30)
        assert connection.is_open
        await connection.close()


async def test_a_done_that_is_not_answered_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted(READY, b"+ idling\r\n", None) as port:
        connection = await connect(port)
        monkeypatch.setattr("postroom.net.imap.IDLE_ANSWER_S", 0.2)
        with pytest.raises(DeadlineExceeded):
            await connection.idle(Bell(), 0.01)
        assert not connection.is_open


async def test_an_address_that_does_not_answer_costs_a_moment_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    async with scripted(READY) as port:
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.2", port))
            full.listen(0)
            # The queue is full now: further connections are neither taken nor refused.
            for waiting in (first, second):
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.2", port))

            async def both(*_told: object, **_more: object) -> list[tuple[object, ...]]:
                return [
                    (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
                    for host in ("127.0.0.2", "127.0.0.1")
                ]

            monkeypatch.setattr(loop, "getaddrinfo", both)
            connection = await connect(port, host="mail.example.com")
            await connection.close()


@pytest.mark.parametrize("capabilities", [b"IMAP4rev1", b"IMAP4rev1 AUTH=PLAIN SASL-IR"])
async def test_a_goodbye_that_repeats_the_login_is_told_without_the_password(
    capabilities: bytes,
) -> None:
    heard: list[Unsolicited] = []
    password = 'pa"ss\\w\u00f6rd'
    credentials = Credentials(user="bob", password=Secret(password))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY " + capabilities + b"] hi\r\n")
        line = await reader.readline()
        if b"{" in line:
            writer.write(b"+ go\r\n")
            line += await reader.readline()
        said = line.replace(b"\r\n", b" ")
        writer.write(b"* BYE " + said + b"\r\n* BYE not " + password.encode() + b"\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = await connect(server.sockets[0].getsockname()[1])
    connection.on_unsolicited = heard.append
    with pytest.raises(ConnectFailed) as failed:
        await connection.login(credentials, soon())
    encoded = base64.b64encode(f"\0bob\0{password}".encode()).decode()
    for text in (failed.value.text, *(told.text for told in heard if isinstance(told, Bye))):
        assert MASK in text
        assert not any(form in text for form in (password, "ss\\\\w", encoded))
    server.close()
