"""The application behind the real HTTP server: what only real sockets show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest_asyncio
import uvicorn

from postroom.model.operations import Download, DownloadSource, GetQuota
from postroom.model.quota import QuotaTold
from tests.unit.api.conftest import Api, register


@pytest_asyncio.fixture
async def port(api: Api) -> AsyncIterator[int]:
    """The port of a server with the application."""
    config = uvicorn.Config(
        api.caller.application, port=0, http="httptools", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(10):
        while not server.started:
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    server.force_exit = True
    await serving


async def _request(port: int, api: Api, head: str, body: bytes = b"") -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [head, "Host: test", f"Authorization: Bearer {api.caller.token}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    return reader, writer


async def test_an_id_with_an_encoded_slash_reaches_its_account(port: int, api: Api) -> None:
    await register(api, "a/b?c")
    api.gateway.answers = {GetQuota: QuotaTold()}
    target = f"/v1/account/{quote('a/b?c', safe='')}?quota=true"
    reader, writer = await _request(port, api, f"GET {target} HTTP/1.1")
    async with asyncio.timeout(5):
        assert b"200 OK" in await reader.readline()
    writer.close()


async def test_an_aborted_download_ends_its_producer(port: int, api: Api) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65_536
        finally:
            ended.set()

    api.gateway.answers = {
        DownloadSource: Download("message/rfc822", None, None, endless()),
    }
    head = "GET /v1/account/jane/message/m/source HTTP/1.1"
    reader, writer = await _request(port, api, head)
    async with asyncio.timeout(5):
        await reader.readexactly(100_000)
        writer.transport.abort()
        await ended.wait()


async def test_a_huge_declared_body_is_refused_before_it_is_sent(port: int, api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        "POST /v1/account HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {api.caller.token}\r\nContent-Length: 99999999999\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(5):
        assert b" 413 " in await reader.readline()
    writer.close()
