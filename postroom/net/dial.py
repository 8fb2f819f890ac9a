"""Opens outgoing connections: address, TLS, deadline; every failure is a ConnectFailed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from postroom.clock import Deadline
from postroom.errors import ConnectFailed, DeadlineExceeded
from postroom.model.account import TlsOptions
from postroom.net.faults import connect_failed
from postroom.net.tls import client_context
from postroom.net.wire import Wire, WireEnded


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
            _, wire = await loop.create_connection(
                Wire,
                endpoint.host,
                endpoint.port,
                ssl=context,
                server_hostname=endpoint.host if context else None,
                local_addr=(local_address, 0) if local_address else None,
            )
    except DeadlineExceeded:
        raise _too_late(endpoint) from None
    except (OSError, UnicodeError) as error:
        raise connect_failed(error, endpoint.host, endpoint.port) from error
    return wire


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
