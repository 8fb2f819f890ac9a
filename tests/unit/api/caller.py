"""Calls an ASGI application in process: a request in, the whole answer out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass
class Got:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


@dataclass
class Caller:
    """A client of one application with one token; `address` is the peer it comes from."""

    application: Any
    token: str | None = None
    address: str = "192.0.2.7"

    async def __call__(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        leaves: asyncio.Event | None = None,
    ) -> Got:
        """The answer; with `leaves` the client goes away when the event is set."""
        content = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        given = {"host": "test", "content-length": str(len(content))}
        if body is not None or raw is not None:
            given["content-type"] = "application/json"
        if self.token:
            given["authorization"] = f"Bearer {self.token}"
        given |= headers or {}
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": (self.address, 4242),
            "server": ("127.0.0.1", 3000),
        }
        got = Got()
        pending = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> Any:
            if pending:
                return pending.pop()
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                got.status = message["status"]
                got.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                got.body += message.get("body", b"")

        await self.application(scope, receive, send)
        return got
