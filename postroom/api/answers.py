"""What handlers give back: bytes with a status, or a stream; each is a small ASGI application.

Answers of the mail server's owner pass through as they came, never decoded here. A stream ends
its producer as soon as the client goes away (invariant I25).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from litestar.types import Receive, Scope, Send

from postroom.model.operations import Download
from postroom.model.wire import encode

JSON = "application/json; charset=utf-8"
# Names longer than this only break header parsers.
MAX_FILENAME = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"content-length": str(len(self.body)), **self.headers}
        await send(_start(self.status, self.content_type, headers))
        body = b"" if scope.get("method") == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def to_asgi_response(self, **_: Any) -> Answer:
        """Itself: lets the framework's error handlers return it like one of its responses."""
        return self


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer sent while it is produced; the producer is closed when the client leaves."""

    chunks: AsyncIterator[bytes]
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            failed = await asyncio.gather(sending, return_exceptions=True)
        if isinstance(failed[0], Exception):
            raise failed[0]

    async def _send(self, send: Send) -> None:
        async with _closing(self.chunks) as chunks:
            # The first chunk comes before the head, so that an early failure is a proper error.
            first = await anext(chunks, b"")
            await send(_start(200, self.content_type, self.headers))
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                # Neither a ready producer nor a send to a client that went away has to wait: else
                # the loop, and with it the news of the going away, would never get its turn.
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


Reply = Answer | Stream


def answer(value: Any) -> Answer:
    """`value` as a JSON answer; secrets are masked."""
    return Answer(encode(value))


def passed(body: bytes) -> Answer:
    """JSON bytes that are an answer already."""
    return Answer(body)


def attachment(download: Download) -> Stream:
    """A download with its name (RFC 6266), never shown by the browser in our origin."""
    headers = {
        "content-disposition": disposition(download.filename),
        "x-content-type-options": "nosniff",
    }
    if download.size is not None:
        headers["content-length"] = str(download.size)
    return Stream(download.chunks, _safe_type(download.content_type), headers)


def disposition(filename: str | None) -> str:
    """The Content-Disposition of a download; names beyond ASCII by RFC 8187."""
    if not filename:
        return "attachment"
    name = "".join(char if char.isprintable() else "_" for char in filename)[:MAX_FILENAME]
    plain = "".join(char if char.isascii() and char not in '"\\' else "_" for char in name)
    encoded = quote(name.encode("utf-8", "replace"), safe="")
    extended = "" if plain == name else f"; filename*=utf-8''{encoded}"
    return f'attachment; filename="{plain}"{extended}'


async def gone(receive: Receive) -> None:
    """Return when the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _safe_type(content_type: str) -> str:
    # The type comes from a mail: anything that could end the header line is not a type.
    return content_type if content_type.isprintable() and content_type.isascii() else _BINARY


_BINARY = "application/octet-stream"


def _start(status: int, content_type: str, headers: Mapping[str, str]) -> Any:
    pairs = [("content-type", content_type), *headers.items()]
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs],
    }


def _closing(chunks: AsyncIterator[bytes]) -> aclosing[Any]:
    return aclosing(_generator(chunks))


async def _generator(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
