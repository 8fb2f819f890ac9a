"""Outgoing requests against a real receiver: success, redirects, blocked addresses, faults."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from postroom.clock import Deadline, SystemClock
from postroom.errors import ConnectFailed, EgressBlocked, PostroomError, RedirectNotFollowed
from postroom.net.egress import EgressPolicy
from postroom.net.http import MAX_REPLY_BYTES, HttpClient
from tests.fakes.webhook_receiver import Received, WebhookReceiver, webhook_receiver

CLOCK = SystemClock()


def soon(seconds: float = 10.0) -> Deadline:
    return Deadline.after(CLOCK, seconds)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with webhook_receiver() as running:
        yield running


@pytest_asyncio.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(EgressPolicy.LINK_LOCAL)
    yield client
    await client.close()


async def test_body_and_headers_arrive_as_given(
    receiver: WebhookReceiver, http: HttpClient
) -> None:
    headers = {"X-One": "1", "Content-Type": "application/json"}
    reply = await http.post(f"{receiver.url}/hook?a=b%20c", b"\x00body", headers, soon())
    assert reply.is_success
    got = receiver.received[0]
    assert (got.path, got.body, got.headers["X-One"]) == ("/hook?a=b%20c", b"\x00body", "1")


@pytest.mark.parametrize("status", [201, 204, 304, 400, 404, 500, 503])
async def test_any_status_that_is_no_redirect_is_a_reply(
    receiver: WebhookReceiver, http: HttpClient, status: int
) -> None:
    async def reply(_: Received) -> int:
        return status

    receiver.reply = reply
    got = await http.post(receiver.url, b"", {}, soon())
    assert (got.status, got.is_success) == (status, status < 300)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(
    receiver: WebhookReceiver, http: HttpClient, status: int
) -> None:
    async def reply(_: Received) -> web.Response:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    receiver.reply = reply
    with pytest.raises(RedirectNotFollowed) as caught:
        await http.post(receiver.url, b"", {}, soon())
    assert caught.value.public_code == "EREDIRECTNOTFOLLOWED"
    assert len(receiver.received) == 1


async def test_with_the_policy_off_a_redirect_is_followed(receiver: WebhookReceiver) -> None:
    async def reply(got: Received) -> web.Response | int:
        if got.path == "/new":
            return 200
        return web.Response(status=307, headers={"Location": "/new"})

    receiver.reply = reply
    http = HttpClient(EgressPolicy.OFF)
    assert (await http.post(receiver.url, b"same", {}, soon())).status == 200
    assert receiver.received[1].body == b"same"
    await http.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"])
async def test_a_forbidden_address_is_never_connected_to(
    receiver: WebhookReceiver, host: str
) -> None:
    http = HttpClient(EgressPolicy.PRIVATE)
    with pytest.raises(EgressBlocked) as caught:
        await http.post(f"http://{host}:{receiver.port}/", b"", {}, soon())
    assert caught.value.public_code == "EEGRESSBLOCKED"
    assert receiver.received == []
    await http.close()


async def test_the_metadata_address_is_blocked_by_default(http: HttpClient) -> None:
    with pytest.raises(EgressBlocked):
        await http.post("http://169.254.169.254/latest/meta-data", b"", {}, soon())


async def test_a_redirect_to_a_forbidden_address_is_not_reached(
    receiver: WebhookReceiver, http: HttpClient
) -> None:
    async def reply(_: Received) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    receiver.reply = reply
    with pytest.raises(RedirectNotFollowed):
        await http.post(receiver.url, b"", {}, soon())


async def test_a_refused_connection_is_temporary(http: HttpClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectFailed) as caught:
        await http.post(f"http://127.0.0.1:{port}/", b"", {}, soon())
    assert (caught.value.public_code, caught.value.temporary) == ("ECONNECTION", True)


async def test_a_silent_receiver_ends_at_the_deadline(
    receiver: WebhookReceiver, http: HttpClient
) -> None:
    async def reply(_: Received) -> int:
        await asyncio.Event().wait()
        return 200

    receiver.reply = reply
    with pytest.raises(ConnectFailed) as caught:
        await http.post(receiver.url, b"", {}, soon(0.1))
    assert caught.value.public_code == "ETIMEDOUT"


async def test_plain_http_behind_https_is_a_tls_error(
    receiver: WebhookReceiver, http: HttpClient
) -> None:
    with pytest.raises(ConnectFailed) as caught:
        await http.post(f"https://127.0.0.1:{receiver.port}/", b"", {}, soon())
    assert caught.value.public_code == "ETLS"


async def test_an_unknown_name_is_a_dns_error(http: HttpClient) -> None:
    with pytest.raises(ConnectFailed) as caught:
        await http.post("http://nothing.invalid/", b"", {}, soon())
    assert caught.value.public_code == "EDNS"


@pytest.mark.parametrize("raw", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
async def test_a_receiver_that_talks_nonsense_is_an_error(http: HttpClient, raw: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ConnectFailed):
        await http.post(f"http://127.0.0.1:{port}/", b"", {}, soon())
    server.close()


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://127.0.0.1/", "http://", "http://[::1", "http://2130706433/"]
)
async def test_a_bad_url_is_an_error_that_does_not_show_it(http: HttpClient, url: str) -> None:
    with pytest.raises(PostroomError) as caught:
        await http.post(url, b"", {}, soon())
    assert not caught.value.temporary


async def test_only_the_first_part_of_a_large_reply_is_read(
    receiver: WebhookReceiver, http: HttpClient
) -> None:
    async def reply(_: Received) -> web.Response:
        return web.Response(body=b"x" * (20 * MAX_REPLY_BYTES))

    receiver.reply = reply
    got = await http.post(receiver.url, b"", {}, soon())
    assert 0 < len(got.body) <= MAX_REPLY_BYTES


async def test_no_error_shows_the_login_of_the_url(http: HttpClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for url in (f"http://user:canary@127.0.0.1:{port}/", "http://user:canary@nothing.invalid:x/"):
        with pytest.raises(PostroomError) as caught:
            await http.post(url, b"", {}, soon())
        assert "canary" not in repr((caught.value.text, caught.value.log))
