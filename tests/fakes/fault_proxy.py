"""A TCP proxy that misbehaves on demand, to be put between the product and a server.

What it does to the bytes is programmed while it runs: latency, a slow link, a stall, a cut after
so many bytes of either direction, a reset, a refusal. Faults hold for open and new connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CHUNK = 64 * 1024
# SO_LINGER on with zero seconds: closing sends RST instead of FIN (socket(7)).
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False, slots=True)
class Link:
    """One proxied connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    from_client: int = 0
    from_server: int = 0
    # Cut as soon as so many bytes more have passed; None never.
    left_from_client: int | None = None
    left_from_server: int | None = None

    def cut(self, *, reset: bool = False) -> None:
        """End both halves, in the middle of whatever passes."""
        for writer in (self.client, self.server):
            if reset:
                with contextlib.suppress(OSError, AttributeError):
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


@dataclass(eq=False, slots=True)
class FaultProxy:
    """Proxies `port` to `target_port` of 127.0.0.1."""

    target_port: int
    port: int = 0
    # Seconds that each chunk waits.
    latency_s: float = 0.0
    # Bytes a second of each direction; None for no limit.
    rate: int | None = None
    refuses: bool = False
    # Called with each new link, to programme it.
    on_link: Callable[[Link], None] | None = None
    links: list[Link] = field(default_factory=list)
    connections: int = 0
    # What clients said, where somebody wants to know.
    transcript: bytearray | None = None
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> FaultProxy:
        self._flowing.set()
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self, *, reset: bool = False) -> None:
        """End every open connection."""
        for link in list(self.links):
            link.cut(reset=reset)

    def cut_after(self, *, from_client: int | None = None, from_server: int | None = None) -> None:
        """Cut every open connection after so many bytes more of a direction."""
        for link in self.links:
            link.left_from_client, link.left_from_server = from_client, from_server

    def stall(self) -> None:
        """Let nothing pass, with every connection open."""
        self._flowing.clear()

    def flow(self) -> None:
        """End a stall."""
        self._flowing.set()

    def heal(self) -> None:
        """Behave from now on."""
        self.latency_s, self.rate, self.refuses = 0.0, None, False
        self.cut_after()
        self.flow()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            Link(writer, writer).cut(reset=True)
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # `stop` cancels; the server of asyncio would report that as an error.
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, far)
        self.links.append(link)
        self.connections += 1
        if self.on_link is not None:
            self.on_link(link)
        ways = [
            asyncio.ensure_future(self._pass(link, reader, far, from_client=True)),
            asyncio.ensure_future(self._pass(link, far_reader, writer, from_client=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.links.remove(link)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
            far.close()

    async def _pass(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        from_client: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if self.rate:
                    await asyncio.sleep(len(data) / self.rate)
                await self._flowing.wait()
                passed = _take(link, len(data), from_client=from_client)
                if from_client and self.transcript is not None:
                    self.transcript += data[:passed]
                writer.write(data[:passed])
                await writer.drain()
                if passed < len(data) or _is_spent(link):
                    # What was let through is to arrive before the end.
                    writer.close()
                    await asyncio.sleep(0)
                    return


def _take(link: Link, size: int, *, from_client: bool) -> int:
    """How many of `size` bytes may pass, counted."""
    if from_client:
        passed = size if link.left_from_client is None else min(size, link.left_from_client)
        link.from_client += passed
        if link.left_from_client is not None:
            link.left_from_client -= passed
        return passed
    passed = size if link.left_from_server is None else min(size, link.left_from_server)
    link.from_server += passed
    if link.left_from_server is not None:
        link.left_from_server -= passed
    return passed


def _is_spent(link: Link) -> bool:
    return link.left_from_client == 0 or link.left_from_server == 0


@asynccontextmanager
async def fault_proxy(target_port: int) -> AsyncIterator[FaultProxy]:
    """A running proxy to a port of 127.0.0.1."""
    proxy = await FaultProxy(target_port).start()
    try:
        yield proxy
    finally:
        await proxy.stop()
