"""Names of mail servers to addresses, asked once for many accounts.

Thousands of accounts are on a few servers, and all of them connect after a restart. A lookup blocks
a thread of a small pool, so those who ask for the same name at the same time share one, and its
answer holds for some seconds: about as long as a name server's own answer does at least.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from postroom.clock import Clock

# Long enough for a start, short enough that a server that moves is found again at once.
KEPT_S = 10.0
# Names that are remembered; more than this are not asked for in ten seconds by one process.
MOST_NAMES = 1_000

Address = tuple[Any, ...]
"""As getaddrinfo gives it: family, kind, protocol, canonical name, place."""


class Resolver:
    """The lookups of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, asyncio.Future[Sequence[Address]]]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of a host, at this port. Raises OSError (gaierror) or UnicodeError."""
        found = await asyncio.shield(self._asked(host))
        return [(*one[:4], (one[4][0], port, *one[4][2:])) for one in found]

    def _asked(self, host: str) -> asyncio.Future[Sequence[Address]]:
        """The lookup that is under way or has just been answered, else a new one."""
        now_s = self._clock.steady_s()
        until_s, asked = self._kept.get(host, (0.0, None))
        if asked is None or (asked.done() and (until_s <= now_s or _has_failed(asked))):
            if len(self._kept) >= MOST_NAMES:
                self._kept.clear()
            asked = asyncio.ensure_future(look_up(host, 0))
            # One that nobody waits for any more must not be reported as forgotten.
            asked.add_done_callback(_has_failed)
            self._kept[host] = (now_s + KEPT_S, asked)
        return asked


def _has_failed(asked: asyncio.Future[Sequence[Address]]) -> bool:
    return asked.cancelled() or asked.exception() is not None


async def look_up(host: str, port: int) -> Sequence[Address]:
    """The addresses of a host, asked now."""
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


def literal(host: str, port: int) -> Address | None:
    """What a lookup gives for an address, without a thread; None for a name or a scoped address."""
    try:
        is_v6 = ipaddress.ip_address(host).version == 6
    except ValueError:
        return None
    if "%" in host:
        return None
    place = (host, port, 0, 0) if is_v6 else (host, port)
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    return (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)
