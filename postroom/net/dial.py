"""Opens outgoing connections: address, road, TLS, deadline; every failure is a ConnectFailed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohappyeyeballs

from postroom.clock import Deadline
from postroom.errors import ConnectFailed, DeadlineExceeded
from postroom.model.account import TlsOptions
from postroom.net.egress import is_blocked
from postroom.net.faults import connect_failed
from postroom.net.proxy import Proxy, ProxyKind, open_tunnel
from postroom.net.resolve import Address, literal, look_up
from postroom.net.road import Road, usable
from postroom.net.splice import secured
from postroom.net.tls import TlsFloor, client_context
from postroom.net.wire import Wire, WireEnded

# RFC 8305 5: an address that does not answer holds up the next one for this long only.
NEXT_ADDRESS_S = 0.25
# Mail connections are silent for up to half an hour. Routers on the way forget a silent connection
# after some minutes, and a peer that lost power never says good-bye: probes tell of both within
# some four minutes, and cost a packet each two minutes.
_KEEP_ALIVE_S = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and how; `secure` starts TLS with the first byte."""

    host: str
    port: int
    secure: bool = False
    tls: TlsOptions | None = None
    verify: bool = True
    floor: TlsFloor = TlsFloor()
    road: Road = Road()


async def dial(endpoint: Endpoint, *, deadline: Deadline) -> Wire:
    """Connect; raises ConnectFailed."""
    connected = await open_socket(endpoint.host, endpoint.port, endpoint.road, deadline)
    try:
        _, wire = await asyncio.get_running_loop().create_connection(Wire, sock=connected)
    except OSError as error:
        raise connect_failed(error, endpoint.host, endpoint.port) from error
    if endpoint.secure:
        await upgrade(wire, endpoint, deadline=deadline)
    return wire


async def upgrade(wire: Wire, endpoint: Endpoint, *, deadline: Deadline) -> None:
    """Start TLS on an open connection; raises ConnectFailed, and the wire is then ended."""
    is_encrypted = False
    try:
        context = client_context(endpoint.tls, verify=endpoint.verify, floor=endpoint.floor)
        async with asyncio.timeout(deadline.remaining_s()):
            await wire.start_tls(context, endpoint.host)
        is_encrypted = True
    except DeadlineExceeded:
        raise _too_late(endpoint.host, endpoint.port) from None
    except WireEnded as ended:
        raise connect_failed(ended.cause, endpoint.host, endpoint.port) from ended
    except (OSError, ValueError) as error:
        raise connect_failed(error, endpoint.host, endpoint.port) from error
    finally:
        if not is_encrypted:
            wire.abort()


async def open_socket(host: str, port: int, road: Road, deadline: Deadline) -> socket.socket:
    """A socket that ends at the host, whatever lies between; raises ConnectFailed.

    A failure on the way to a proxy names the proxy, so that nobody searches at the mail server.
    """
    first, at = (host, port) if road.proxy is None else (road.proxy.host, road.proxy.port)
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            connected = await _connected(first, at, road)
            if road.proxy is None:
                return connected
            return await _tunnelled(connected, road.proxy, host, port)
    except DeadlineExceeded:
        raise _too_late(first, at) from None
    except (OSError, UnicodeError) as error:
        raise connect_failed(error, first, at) from error


async def _tunnelled(connected: socket.socket, proxy: Proxy, host: str, port: int) -> socket.socket:
    try:
        if proxy.kind is ProxyKind.HTTPS:
            # The operator's floor is about mail servers; a proxy is held to the usual standard.
            context = client_context(None, verify=True, floor=TlsFloor(min_version="TLSv1.2"))
            connected = await secured(connected, context, proxy.host)
        await open_tunnel(proxy, connected, host, port)
    except BaseException:
        connected.close()
        raise
    return connected


async def _connected(host: str, port: int, road: Road) -> socket.socket:
    """A socket to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    found = _permitted(await _resolved(host, port, road), road, host, port)
    connected = await aiohappyeyeballs.start_connection(
        found,
        local_addr_infos=_local(found, road.local_addresses),
        happy_eyeballs_delay=NEXT_ADDRESS_S,
        loop=loop,
    )
    # What loops set on sockets of their own: a command must not wait for an acknowledgement.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _keep_alive(connected)
    return connected


async def _resolved(host: str, port: int, road: Road) -> Sequence[Address]:
    """The addresses of a host; one that is an address already costs no lookup."""
    known = literal(host, port)
    if known is not None:
        return [known]
    if road.resolver is not None:
        return await road.resolver.addresses(host, port)
    return await look_up(host, port)


def _permitted(found: Sequence[Address], road: Road, host: str, port: int) -> Sequence[Address]:
    """Without the addresses that the egress policy forbids to a proxy that a user gave (I27)."""
    if road.proxy is None or not road.proxy.is_from_account:
        return found
    left = [one for one in found if not is_blocked(road.proxy_policy, str(one[4][0]))]
    if not left:
        raise ConnectFailed(
            f"The address of the proxy is forbidden ({host}:{port})",
            code="EEGRESSBLOCKED",
            is_temporary=False,
        )
    return left


def _local(found: Sequence[Address], addresses: Sequence[str]) -> list[Any] | None:
    """The local address to bind: the first usable one of a family that the host has, too."""
    families = {one[0] for one in found}
    known = [literal(address, 0) for address in addresses]
    fitting = [one for one in known if one is not None and one[0] in families]
    chosen = usable([str(one[4][0]) for one in fitting])
    return [one for one in fitting if one[4][0] == chosen] or None


def _keep_alive(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE_S.items():
        # macOS has its own name for the first of them, and its own default of two hours.
        option = getattr(socket, name, None)
        if option is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


def _too_late(host: str, port: int) -> ConnectFailed:
    return connect_failed(TimeoutError(), host, port)
