"""A real HTTP receiver of webhooks on a port, with programmable replies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def event_id(self) -> str:
        return self.headers["X-EE-Wh-Event-Id"]


# Decides the reply to a request: a status, or a whole response.
Reply = Callable[[Received], Awaitable[int | web.StreamResponse]]


class WebhookReceiver:
    """Records every request; answers 200 until `reply` is set to something else."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.url = ""
        self.port = 0
        self.reply: Reply = _fine
        self._arrived = asyncio.Condition()

    async def wait_for(self, count: int, at_most_s: float = 20.0) -> list[Received]:
        """The requests, as soon as there are `count` of them."""
        async with asyncio.timeout(at_most_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Record the request and reply."""
        got = Received(request.path_qs, dict(request.headers), await request.content.read())
        async with self._arrived:
            self.received.append(got)
            self._arrived.notify_all()
        reply = await self.reply(got)
        return reply if isinstance(reply, web.StreamResponse) else web.Response(status=reply)


async def _fine(_: Received) -> int:
    return 200


@asynccontextmanager
async def webhook_receiver() -> AsyncIterator[WebhookReceiver]:
    """A running receiver on a free port of 127.0.0.1; `url` has no trailing slash."""
    receiver = WebhookReceiver()
    runner = web.ServerRunner(
        web.Server(receiver.handle, handler_cancellation=True, access_log=None),
        shutdown_timeout=0.01,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    receiver.url = f"http://127.0.0.1:{receiver.port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
