"""The answering end of a call: a worker's HTTP server on its Unix socket.

Each call runs in the task of its connection. It is cancelled when the asking end goes away
(invariant I25) and when its deadline is over. A failure before the first byte is a fault; a
failure in the middle of a stream aborts the connection, which the reader notices because the
closing chunk is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from postroom.clock import Clock, Deadline, SystemClock
from postroom.errors import DeadlineExceeded, InvalidInput, PayloadTooLarge, PostroomError
from postroom.logs import get_logger
from postroom.model.operations import Download
from postroom.rpc import wire
from postroom.rpc.faults import encode_fault

Answer = Callable[[str, str, bytes, Deadline], Awaitable[bytes | Download]]
# How long `stop` lets running calls go on; workers as a whole have 8 s (contract U4).
DRAIN_S = 5.0

log = get_logger("rpc")


class RpcServer:
    """Serves `answer(account, operation name, body, deadline)` on the Unix socket `path`."""

    def __init__(self, path: str, answer: Answer, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._answer = answer
        self._clock = clock or SystemClock()
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Listen; what an earlier process left at the path is replaced."""
        server = web.Server(
            self._handle,
            handler_cancellation=True,
            keepalive_timeout=wire.SERVER_KEEP_S,
            access_log=None,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=DRAIN_S)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self._path)).start()
        self._path.chmod(0o600)

    async def stop(self) -> None:
        """Take no more calls, let the running ones end, then cancel what is left."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            self._path.unlink(missing_ok=True)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            result = await self._ask(request)
        except PostroomError as error:
            return _fault(error)
        except Exception:
            log.exception("call.failed", call=request.path, account=_account(request))
            return _fault(PostroomError("Internal error"))
        if isinstance(result, bytes):
            return web.Response(body=result)
        return await self._stream(request, result)

    async def _ask(self, request: web.BaseRequest) -> bytes | Download:
        deadline = Deadline.after(self._clock, _remaining_s(request))
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                body = await _body(request)
                name = request.path.removeprefix("/")
                return await self._answer(_account(request), name, body, deadline)
        except TimeoutError as error:
            raise DeadlineExceeded("Timeout: no answer in time") from error

    async def _stream(self, request: web.BaseRequest, download: Download) -> web.StreamResponse:
        response = web.StreamResponse(headers=_stream_headers(download))
        response.enable_chunked_encoding()
        async with _closing(download.chunks):
            try:
                await response.prepare(request)
                await _copy(download.chunks, response)
                await response.write_eof()
            except (ConnectionError, asyncio.CancelledError):
                # The reader went away; closing the producer is all that is left to do.
                raise
            except PostroomError as error:
                log.warn("stream.broken", call=request.path, reason=repr(error))
                _abort(request)
            except Exception:
                log.exception("stream.failed", call=request.path, account=_account(request))
                _abort(request)
        return response


async def _copy(chunks: AsyncIterator[bytes], response: web.StreamResponse) -> None:
    while True:
        async with asyncio.timeout(wire.STALL_S):
            chunk = await anext(chunks, None)
        if chunk is None:
            return
        # An empty chunk would be the end mark of RFC 9112 7.1.
        if chunk:
            async with asyncio.timeout(wire.STALL_S):
                await response.write(chunk)


async def _body(request: web.BaseRequest) -> bytes:
    if (request.content_length or 0) > wire.MAX_REQUEST_BYTES:
        raise PayloadTooLarge("The request is too large")
    return await request.content.read()


def _account(request: web.BaseRequest) -> str:
    return wire.unpacked_text(request.headers.get(wire.ACCOUNT, ""))


def _remaining_s(request: web.BaseRequest) -> float:
    text = request.headers.get(wire.REMAINING_MS, "")
    if not text.isdecimal():
        raise InvalidInput("A call names its remaining milliseconds")
    return int(text) / 1000


def _stream_headers(download: Download) -> dict[str, str]:
    headers = {wire.STREAM: wire.packed_text(download.content_type)}
    if download.filename is not None:
        headers[wire.FILENAME] = wire.packed_text(download.filename)
    if download.size is not None:
        headers[wire.SIZE] = str(download.size)
    return headers


def _fault(error: PostroomError) -> web.Response:
    # HTTP knows no body for 204 and 304 and the client looks at the header, so any 4xx or 5xx does.
    status = error.http_status if 400 <= error.http_status <= 599 else 500
    return web.Response(status=status, body=encode_fault(error), headers={wire.FAULT: "1"})


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


@contextlib.asynccontextmanager
async def _closing(chunks: AsyncIterator[bytes]) -> AsyncIterator[None]:
    """Closes a producer that can be closed, whatever ends the stream."""
    try:
        yield
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
