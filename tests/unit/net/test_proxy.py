"""Mail connections through true proxies of every kind, and through ones that fail."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from postroom.clock import Deadline, SystemClock
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import ConnectFailed
from postroom.imap.commands import Noop
from postroom.model.account import Credentials, TlsOptions
from postroom.model.account import ImapServer as Where
from postroom.model.secret import Secret
from postroom.net import tls
from postroom.net.egress import EgressPolicy
from postroom.net.imap import ImapConnection, Terms
from postroom.net.proxy import ProxyKind, connect_request, parse_proxy
from postroom.net.road import Road
from postroom.net.smtp import SmtpConnection, SmtpTarget, SmtpTrouble, Transaction
from tests.fakes.dovecot import free_port, make_certificate
from tests.fakes.proxies import running_proxy
from tests.fakes.smtp_sink import SmtpSink

CLOCK = SystemClock()
KINDS = ["http", "https", "socks", "socks4", "socks4a", "socks5"]
SECRET = "c4nary p:@ss"


def soon(seconds: float = 10) -> Deadline:
    return Deadline.after(CLOCK, seconds)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("proxy")
    make_certificate(directory)
    return directory


@pytest.fixture(autouse=True)
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    tls._context.cache_clear()
    yield
    tls._context.cache_clear()


def server_context(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


@asynccontextmanager
async def mail_server(context: ssl.SSLContext | None) -> AsyncIterator[ImapServer]:
    mail = MailStore()
    mail.add_account("u", "secret")
    server = ImapServer(mail, tls=context)
    await server.start()
    yield server
    await server.stop()


async def opened(port: int, road: Road, *, secure: bool, host: str = "localhost") -> ImapConnection:
    where = Where(host=host, port=port, secure=secure)
    connection = await ImapConnection.open(
        where, clock=CLOCK, deadline=soon(), terms=Terms(road=road)
    )
    await connection.login(Credentials(user="u", password=Secret("secret")), soon())
    return connection


def road_to(kind: str, port: int, login: str = "") -> Road:
    return Road(proxy=parse_proxy(f"{kind}://{login}localhost:{port}"))


async def _through(kind: str, certificate: Path, *, secure: bool) -> None:
    outside = server_context(certificate) if kind == "https" else None
    async with mail_server(server_context(certificate) if secure else None) as server:
        async with running_proxy(outside) as proxy:
            proxy.sends_greeting_along = not secure
            connection = await opened(server.port, road_to(kind, proxy.port), secure=secure)
            assert connection.is_encrypted == secure
            await connection.run(Noop(), soon())
            await connection.logout(soon())
            spoken, host, port = proxy.asked[0]
            assert spoken == {"https": "http", "socks": "socks5"}.get(kind, kind)
            # Only SOCKS4 makes us resolve the name; the others leave that to the proxy.
            assert host == ("127.0.0.1" if kind == "socks4" else "localhost")
            assert port == server.port


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_proxy_leads_to_the_mail_server(
    kind: str, secure: bool, certificate: Path
) -> None:
    # On the loop of the workers, whose sockets and TLS are not those of asyncio.
    uvloop.run(_through(kind, certificate, secure=secure))


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_login_is_given_and_a_wrong_one_is_refused_without_being_shown(kind: str) -> None:
    async with mail_server(None) as server, running_proxy() as proxy:
        proxy.login = ("me@x", SECRET)
        login = "me%40x:c4nary%20p%3A%40ss@"
        connection = await opened(server.port, road_to(kind, proxy.port, login), secure=False)
        await connection.close()
        for wrong in ("me%40x:wrong@", "me%40x@", ""):
            with pytest.raises(ConnectFailed) as failed:
                await opened(server.port, road_to(kind, proxy.port, wrong), secure=False)
            shown = f"{failed.value.text}{failed.value.log}{failed.value.__cause__!r}"
            assert failed.value.public_code == "EPROXY"
            assert "wrong" not in shown
            assert "me@x" not in shown


@pytest.mark.parametrize("kind", ["socks4", "socks4a", "socks5"])
@pytest.mark.parametrize("login", ["u" * 300 + ":p@", "%C3%BC:p@", "u:" + "p" * 300 + "@"])
async def test_a_login_that_socks_cannot_carry_is_a_failed_connection(
    kind: str, login: str
) -> None:
    async with running_proxy() as proxy:
        proxy.login = ("somebody", "else")
        where = Where(host="localhost", port=free_port())
        terms = Terms(road=road_to(kind, proxy.port, login))
        with pytest.raises(ConnectFailed) as failed:
            await ImapConnection.open(where, clock=CLOCK, deadline=soon(), terms=terms)
        assert "ppp" not in failed.value.text


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_refuses_is_named(kind: str, certificate: Path) -> None:
    outside = server_context(certificate) if kind == "https" else None
    async with running_proxy(outside) as proxy:
        proxy.refuses = True
        with pytest.raises(ConnectFailed) as failed:
            await opened(143, road_to(kind, proxy.port), secure=False)
        assert failed.value.public_code == "EPROXY"
        assert failed.value.temporary
        assert str(proxy.port) in failed.value.text


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 2", b"\x00" * 40000, b"* OK IMAP\r\n\r\n", b"\x05"])
@pytest.mark.parametrize("kind", ["http", "socks4", "socks5"])
async def test_a_proxy_that_talks_nonsense_is_a_failed_connection(
    kind: str, garbage: bytes
) -> None:
    async with running_proxy() as proxy:
        proxy.garbage = garbage
        where = Where(host="localhost", port=143)
        terms = Terms(road=road_to(kind, proxy.port))
        with pytest.raises(ConnectFailed):
            await ImapConnection.open(where, clock=CLOCK, deadline=soon(0.3), terms=terms)


async def test_a_silent_proxy_is_a_timeout_and_a_missing_one_a_refusal() -> None:
    where = Where(host="localhost", port=143)
    async with running_proxy() as proxy:
        proxy.is_silent = True
        for kind in ("http", "socks5"):
            terms = Terms(road=road_to(kind, proxy.port))
            with pytest.raises(ConnectFailed) as failed:
                await ImapConnection.open(where, clock=CLOCK, deadline=soon(0.1), terms=terms)
            assert failed.value.public_code == "ETIMEDOUT"
    terms = Terms(road=road_to("socks5", free_port()))
    with pytest.raises(ConnectFailed) as failed:
        await ImapConnection.open(where, clock=CLOCK, deadline=soon(), terms=terms)
    assert failed.value.public_code == "ECONNREFUSED"


async def test_a_tls_proxy_with_a_wrong_certificate_is_not_used(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tls._context.cache_clear()
    async with running_proxy(server_context(certificate)) as proxy:
        lax = Where(host="localhost", port=143, tls=TlsOptions(reject_unauthorized=False))
        terms = Terms(road=road_to("https", proxy.port))
        with pytest.raises(ConnectFailed) as failed:
            await ImapConnection.open(lax, clock=CLOCK, deadline=soon(), terms=terms)
        assert failed.value.public_code == "DEPTH_ZERO_SELF_SIGNED_CERT"
        assert proxy.asked == []


async def test_the_proxy_of_an_account_is_held_to_the_egress_policy() -> None:
    async with running_proxy() as proxy:
        url = f"socks5://localhost:{proxy.port}"
        theirs = Road(
            proxy=parse_proxy(url, is_from_account=True), proxy_policy=EgressPolicy.PRIVATE
        )
        with pytest.raises(ConnectFailed) as failed:
            await opened(143, theirs, secure=False)
        assert failed.value.public_code == "EEGRESSBLOCKED"
        assert proxy.peers == []
        ours = Road(proxy=parse_proxy(url), proxy_policy=EgressPolicy.PRIVATE)
        async with mail_server(None) as server:
            connection = await opened(server.port, ours, secure=False)
            await connection.close()


@pytest.mark.parametrize(
    "url",
    ["", "localhost:1080", "ftp://localhost:1", "socks5://", "http://x:notaport", "http://[::1"],
)
def test_a_text_that_is_no_proxy_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConnectFailed) as failed:
        parse_proxy(url)
    assert not failed.value.temporary
    assert not url or url not in failed.value.text


def test_a_proxy_url_is_read_with_its_usual_port() -> None:
    ports = {kind: parse_proxy(f"{kind}://p.example").port for kind in KINDS}
    assert ports == {"http": 80, "https": 443} | dict.fromkeys(KINDS[2:], 1080)
    assert parse_proxy("SOCKS://[::1]:9").kind is ProxyKind.SOCKS5
    assert parse_proxy("socks5://u:p@[::1]:9").host == "::1"
    assert "pw" not in repr(parse_proxy("socks5://u:pw@h"))


def test_nothing_gets_into_a_connect_request_that_ends_its_line() -> None:
    proxy = parse_proxy("http://h")
    assert connect_request(proxy, "::1", 143).startswith(b"CONNECT [::1]:143 HTTP/1.1\r\n")
    assert b"xn--" in connect_request(proxy, "b\u00fccher.example", 143)
    for host in ("x\r\nInjected: 1", "a b", ""):
        with pytest.raises(ValueError, match="host"):
            connect_request(proxy, host, 143)


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_mail_is_sent_through_a_proxy(kind: str, certificate: Path) -> None:
    sink = await SmtpSink().start()
    outside = server_context(certificate) if kind == "https" else None
    async with running_proxy(outside) as proxy:
        target = SmtpTarget("localhost", sink.port, road=road_to(kind, proxy.port))
        connection = await SmtpConnection.open(target, soon())
        raw = b"Subject: x\r\n\r\n" + b"line\r\n" * 100_000
        message = Transaction("a@example.com", ("b@example.com",), raw)
        await connection.begin(message, soon())
        await connection.finish(message, soon())
        await connection.close()
        assert proxy.asked == [("http" if kind == "https" else kind, "localhost", sink.port)]
        proxy.refuses = True
        with pytest.raises(SmtpTrouble) as trouble:
            await SmtpConnection.open(target, soon())
        assert trouble.value.delivery_code == "ECONNECTION"
    assert len(sink.messages[0].raw) == len(raw)
    await sink.stop()


async def test_a_connection_ends_when_its_tls_proxy_goes_away(certificate: Path) -> None:
    async with mail_server(None) as server, running_proxy(server_context(certificate)) as proxy:
        connection = await opened(server.port, road_to("https", proxy.port), secure=False)
        proxy.drop()
        async with asyncio.timeout(5):
            while connection.is_open:
                await asyncio.sleep(0.01)
