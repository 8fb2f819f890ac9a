"""The asking end of a call.

One keep-alive pool per worker address. A peer that does not listen or that dies in the middle is a
WorkerNotAvailable at once; a deadline that ends first is a DeadlineExceeded, and closing the
connection tells the other end to stop. A call is never repeated here: whether it may be, only the
caller knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohttp

from postroom.clock import Clock, Deadline
from postroom.errors import DeadlineExceeded, PayloadTooLarge, PostroomError, WorkerNotAvailable
from postroom.model.operations import Download
from postroom.rpc import wire
from postroom.rpc.faults import decode_fault

# Calls to one worker at the same time; more wait for a connection within their deadline.
MAX_CONNECTIONS = 256
# Workers whose pools are kept. A dead worker's pool is dropped at once, so this is never reached
# by live ones: a host runs some tens of workers.
MAX_PEERS = 256
# Piece size of a stream: large enough to be cheap, small enough to keep memory flat.
CHUNK_BYTES = 256 * 1024
# Nothing on the other end reads these.
_UNSENT = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})


class RpcClient:
    """Asks workers; one for a process, `close` it at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._peers: dict[str, aiohttp.ClientSession] = {}

    async def ask(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline
    ) -> bytes:
        """The JSON that the worker at `address` answers; raises the error that it raised."""
        async with self._within(address, deadline):
            response = await self._send(address, account, name, body, deadline)
            async with response:
                return await _whole(response)

    async def stream(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline
    ) -> Download:
        """The download that the worker opens; its `chunks` have an `aclose` for early endings.

        The deadline bounds the time to the head; from there on only a stalled peer is given up.
        """
        async with self._within(address, deadline):
            response = await self._send(address, account, name, body, deadline)
            if wire.STREAM in response.headers:
                return _download(response)
            async with response:
                await _whole(response)
            raise PostroomError("The worker did not answer with a stream")

    async def close(self) -> None:
        """Close every connection."""
        while self._peers:
            _, session = self._peers.popitem()
            await session.close()

    async def _send(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline
    ) -> aiohttp.ClientResponse:
        headers = {
            wire.ACCOUNT: wire.packed_text(account),
            wire.REMAINING_MS: str(max(1, round(deadline.remaining_s() * 1000))),
        }
        session = await self._session(address)
        return await session.post(f"http://worker/{name}", data=body, headers=headers)

    async def _session(self, address: str) -> aiohttp.ClientSession:
        session = self._peers.pop(address, None)
        if session is None:
            if len(self._peers) >= MAX_PEERS:
                await self._forget(next(iter(self._peers)))
            session = _new_session(wire.socket_path(address))
        # Back at the end: the first one is the one that was not used for the longest time.
        self._peers[address] = session
        return session

    async def _forget(self, address: str) -> None:
        session = self._peers.pop(address, None)
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def _within(self, address: str, deadline: Deadline) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded("Timeout: no answer in time") from error
        except aiohttp.ClientConnectorError as error:
            await self._forget(address)
            raise _gone(error) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _gone(error) from error


class RemoteChunks:
    """The pieces of a streamed answer; a broken stream raises, it never just ends."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> RemoteChunks:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(wire.STALL_S):
                chunk = await self._response.content.read(CHUNK_BYTES)
        except BaseException as error:
            self._response.close()
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded("Timeout: the download stalled") from error
            if isinstance(error, aiohttp.ClientError | OSError):
                raise _gone(error) from error
            raise
        if not chunk:
            self._response.release()
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        """Stop reading; the worker stops producing (invariant I25)."""
        self._response.close()

    def __del__(self) -> None:
        # A reader that merely forgets the download has gone away as well.
        self._response.close()


def _new_session(path: str) -> aiohttp.ClientSession:
    connector = aiohttp.UnixConnector(
        path, limit=MAX_CONNECTIONS, keepalive_timeout=wire.CLIENT_KEEP_S
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        skip_auto_headers=_UNSENT,
        read_bufsize=CHUNK_BYTES,
    )


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    if (response.content_length or 0) > wire.MAX_REPLY_BYTES:
        response.close()
        raise PayloadTooLarge("The answer is too large")
    body = await response.read()
    if response.status != 200 or wire.FAULT in response.headers:
        raise decode_fault(body)
    return body


def _download(response: aiohttp.ClientResponse) -> Download:
    filename = response.headers.get(wire.FILENAME)
    size: int | None = None
    with suppress(KeyError, ValueError):
        size = int(response.headers[wire.SIZE])
    return Download(
        content_type=wire.unpacked_text(response.headers[wire.STREAM]),
        filename=None if filename is None else wire.unpacked_text(filename),
        size=size,
        chunks=RemoteChunks(response),
    )


def _gone(error: BaseException) -> WorkerNotAvailable:
    return WorkerNotAvailable("The account's worker went away", log={"reason": repr(error)})
