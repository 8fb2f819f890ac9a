"""Opens outgoing connections: address, TLS, deadline; every failure is a ConnectFailed."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

import aiohappyeyeballs

from postroom.clock import Deadline
from postroom.errors import ConnectFailed, DeadlineExceeded
from postroom.model.account import TlsOptions
from postroom.net.faults import connect_failed
from postroom.net.tls import client_context
from postroom.net.wire import Wire, WireEnded

# RFC 8305 5: an address that does not answer holds up the next one for this long only.
NEXT_ADDRESS_S = 0.25


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and how; `secure` starts TLS with the first byte."""

    host: str
    port: int
    secure: bool = False
    tls: TlsOptions | None = None
    verify: bool = True


async def dial(endpoint: Endpoint, *, deadline: Deadline, local_address: str | None = None) -> Wire:
    """Connect; raises ConnectFailed."""
    context = client_context(endpoint.tls, verify=endpoint.verify) if endpoint.secure else None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            connected = await _connected(endpoint, local_address)
            _, wire = await loop.create_connection(
                Wire,
                sock=connected,
                ssl=context,
                server_hostname=endpoint.host if context else None,
            )
    except DeadlineExceeded:
        raise _too_late(endpoint) from None
    except (OSError, UnicodeError) as error:
        raise connect_failed(error, endpoint.host, endpoint.port) from error
    return wire


async def _connected(endpoint: Endpoint, local_address: str | None) -> socket.socket:
    """A socket to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    own = None
    if local_address:
        own = await loop.getaddrinfo(local_address, 0, type=socket.SOCK_STREAM)
    connected = await aiohappyeyeballs.start_connection(
        found, local_addr_infos=own, happy_eyeballs_delay=NEXT_ADDRESS_S, loop=loop
    )
    # What loops set on sockets of their own: a command must not wait for an acknowledgement.
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


async def upgrade(wire: Wire, endpoint: Endpoint, *, deadline: Deadline) -> None:
    """Start TLS on an open connection; raises ConnectFailed, and the wire is then ended."""
    context = client_context(endpoint.tls, verify=endpoint.verify)
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            await wire.start_tls(context, endpoint.host)
    except DeadlineExceeded:
        wire.abort()
        raise _too_late(endpoint) from None
    except WireEnded as ended:
        raise connect_failed(ended.cause, endpoint.host, endpoint.port) from ended
    except OSError as error:
        wire.abort()
        raise connect_failed(error, endpoint.host, endpoint.port) from error


def _too_late(endpoint: Endpoint) -> ConnectFailed:
    return connect_failed(TimeoutError(), endpoint.host, endpoint.port)
