"""Proxies for mail connections: the address of one, and how it is asked for a tunnel.

SOCKS is python-socks (this is the only file that knows it); CONNECT (RFC 9110 9.3.6) is written
here, because IMAP servers speak first: what a proxy sends behind its reply is the greeting, and not
one byte of it may be taken. A login never gets into an error or a log line (invariant I26).
"""

from __future__ import annotations

import asyncio
import base64
import enum
import re
import socket
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote, urlsplit

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as SocksProxy

from postroom.errors import ConnectFailed
from postroom.model.secret import Secret

# A proxy's whole reply to CONNECT; RFC 9112 knows no limit, real replies have some hundred bytes.
MOST_REPLY_BYTES = 16 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_END = b"\r\n\r\n"


class ProxyKind(enum.StrEnum):
    """How a proxy is spoken to (contract X2); `socks` means version 5."""

    HTTP = "http"
    HTTPS = "https"
    SOCKS4 = "socks4"
    SOCKS4A = "socks4a"
    SOCKS5 = "socks5"


_KINDS = {kind.value: kind for kind in ProxyKind} | {"socks": ProxyKind.SOCKS5}
_PORTS = {ProxyKind.HTTP: 80, ProxyKind.HTTPS: 443}
_SOCKS_PORT = 1080


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy."""

    kind: ProxyKind
    host: str
    port: int
    user: str | None = None
    password: Secret | None = None
    # One that came with an account is connected to under the egress policy (invariant I27).
    is_from_account: bool = False


def parse_proxy(url: str, *, is_from_account: bool = False) -> Proxy:
    """The proxy that a URL names. Raises ConnectFailed, without the URL, for any other text."""
    try:
        parts = urlsplit(url.strip())
        kind, port = _KINDS.get(parts.scheme.lower()), parts.port
    except ValueError:
        raise _unusable() from None
    if kind is None or not parts.hostname:
        raise _unusable()
    return Proxy(
        kind,
        parts.hostname,
        port or _PORTS.get(kind, _SOCKS_PORT),
        unquote(parts.username) if parts.username else None,
        Secret(unquote(parts.password)) if parts.password else None,
        is_from_account,
    )


async def open_tunnel(proxy: Proxy, reached: socket.socket, host: str, port: int) -> None:
    """Have the proxy at the end of the socket `reached` connect it to a host. Raises ConnectFailed.

    The caller sets the deadline, and closes the socket after a failure.
    """
    try:
        if proxy.kind in (ProxyKind.HTTP, ProxyKind.HTTPS):
            await _connect(proxy, reached, host, port)
        else:
            await _socks(proxy, reached, host, port)
    except (ProxyError, ValueError, AssertionError) as error:
        # ValueError: a name or login that the protocol cannot carry. AssertionError: the library's
        # answer to a proxy that demands a login we did not offer.
        raise _refused(proxy, type(error).__name__) from None


async def _socks(proxy: Proxy, reached: socket.socket, host: str, port: int) -> None:
    is_old = proxy.kind in (ProxyKind.SOCKS4, ProxyKind.SOCKS4A)
    asking = SocksProxy(
        ProxyType.SOCKS4 if is_old else ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=proxy.user,
        password=proxy.password.reveal() if proxy.password else _no_password(proxy),
        # SOCKS4 carries addresses only; the others let the proxy resolve the name.
        rdns=proxy.kind is not ProxyKind.SOCKS4,
        forward=cast(SocksProxy, _Reached(reached)),
    )
    await asking.connect(host, port)


def _no_password(proxy: Proxy) -> str | None:
    return "" if proxy.user is not None else None


@dataclass(frozen=True, slots=True)
class _Reached:
    """What the library takes for the way to the proxy: a socket that is connected already."""

    end: socket.socket

    async def connect(self, **_: object) -> socket.socket:
        return self.end


async def _connect(proxy: Proxy, reached: socket.socket, host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(reached, connect_request(proxy, host, port))
    reply = bytearray()
    while not reply.endswith(_END):
        if len(reply) >= MOST_REPLY_BYTES:
            raise _refused(proxy, "endless reply")
        more = await loop.sock_recv(reached, _still_missing(reply))
        if not more:
            raise _refused(proxy, "closed")
        reply += more
    status = _STATUS.match(reply)
    if status is None or not status[1].startswith(b"2"):
        raise _refused(proxy, status[1].decode() if status else "no HTTP")


def connect_request(proxy: Proxy, host: str, port: int) -> bytes:
    """CONNECT, with the login of the proxy. Raises ValueError for a host that is no name."""
    name = host.encode("idna").decode() if not host.isascii() else host
    if re.search(r"[^\x21-\x7e]", name) or not name:
        raise ValueError("no host name")
    target = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.user is not None:
        login = f"{proxy.user}:{proxy.password.reveal() if proxy.password else ''}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _still_missing(reply: bytearray) -> int:
    """How many bytes the reply has to grow by at least: reading more could take the greeting."""
    for have in (3, 2, 1):
        if reply.endswith(_END[:have]):
            return len(_END) - have
    return len(_END)


def _refused(proxy: Proxy, reason: str) -> ConnectFailed:
    return ConnectFailed(
        f"The proxy did not open the connection ({proxy.host}:{proxy.port})",
        code="EPROXY",
        log={"host": proxy.host, "port": proxy.port, "reason": reason},
    )


def _unusable() -> ConnectFailed:
    return ConnectFailed("The proxy address cannot be used", code="EPROXY", is_temporary=False)
