"""A small true proxy: SOCKS4, SOCKS4a, SOCKS5 (RFC 1928, 1929), CONNECT (RFC 9110), also by TLS.

It notes what it was asked for and with which login, and can refuse, stay silent, or send its reply
together with the first bytes of the server, as proxies on a fast network do.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class FakeProxy:
    """A proxy on a port of 127.0.0.1 that speaks every kind, told apart by the first byte."""

    port: int = 0
    login: tuple[str, str] | None = None
    refuses: bool = False
    is_silent: bool = False
    # Instead of a proxy's reply.
    garbage: bytes = b""
    # Wait for the server's first bytes and send them in one piece with the reply to CONNECT.
    sends_greeting_along: bool = False
    # (kind, host, port) of each request.
    asked: list[tuple[str, str, int]] = field(default_factory=list)
    peers: list[str] = field(default_factory=list)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.peers.append(writer.get_extra_info("peername")[0])
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_silent:
            await reader.read()
            return
        first = await reader.readexactly(1)
        if self.garbage:
            writer.write(self.garbage)
            await reader.read()
            return
        if first == b"\x05":
            target = await self._socks5(reader, writer)
        elif first == b"\x04":
            target = await self._socks4(reader, writer)
        else:
            target = await self._http(first, reader, writer)
        if target is not None:
            await self._relay(reader, writer, *target)

    async def _socks5(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int, bytes] | None:
        methods = await reader.readexactly((await reader.readexactly(1))[0])
        if self.login is None:
            writer.write(b"\x05\x00")
        elif 2 not in methods:
            writer.write(b"\x05\xff")
            return None
        else:
            writer.write(b"\x05\x02")
            await reader.readexactly(1)
            user = await reader.readexactly((await reader.readexactly(1))[0])
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_right = (user.decode(), password.decode()) == self.login
            writer.write(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return None
        _, _, _, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        self.asked.append(("socks5", host, port))
        if self.refuses:
            writer.write(b"\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00")
            return None
        return host, port, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"

    async def _socks4(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int, bytes] | None:
        await reader.readexactly(1)
        port = int.from_bytes(await reader.readexactly(2), "big")
        address = await reader.readexactly(4)
        await reader.readuntil(b"\0")
        kind, host = "socks4", str(ipaddress.ip_address(address))
        if address[:3] == b"\0\0\0":
            kind, host = "socks4a", (await reader.readuntil(b"\0"))[:-1].decode()
        self.asked.append((kind, host, port))
        if self.refuses:
            writer.write(b"\0\x5b" + bytes(6))
            return None
        return host, port, b"\0\x5a" + bytes(6)

    async def _http(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[str, int, bytes] | None:
        lines = (first + await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        host, _, port = lines[0].split(" ")[1].rpartition(":")
        self.asked.append(("http", host, int(port)))
        wanted = None
        if self.login is not None:
            wanted = "Basic " + base64.b64encode(":".join(self.login).encode()).decode()
        given = [line.partition(": ")[2] for line in lines if line.startswith("Proxy-Auth")]
        if self.refuses or (wanted is not None and wanted not in given):
            status = "403 Forbidden" if self.refuses else "407 Proxy Authentication Required"
            writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
            return None
        return host.strip("[]"), int(port), b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        host: str,
        port: int,
        reply: bytes,
    ) -> None:
        there_reader, there = await asyncio.open_connection(host, port)
        self._writers.add(there)
        if self.sends_greeting_along:
            reply += await there_reader.read(65536)
        writer.write(reply)
        try:
            await asyncio.gather(_copy(reader, there), _copy(there_reader, writer))
        finally:
            self._writers.discard(there)
            there.close()

    def drop(self) -> None:
        """End every connection."""
        for writer in list(self._writers):
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


@asynccontextmanager
async def running_proxy(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeProxy]:
    """A started proxy, ended with all its connections."""
    proxy = FakeProxy()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.drop()
