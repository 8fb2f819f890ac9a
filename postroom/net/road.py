"""How a connection leaves this machine: from which local address, through which proxy.

The choice is pure; whether an address is usable is asked of the operating system when it is used.
Contract X1: `dedicated` gives an account always the same of the usable addresses, by rendezvous
hashing, so that adding or losing an address moves as few accounts as possible.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from postroom.net.egress import EgressPolicy
from postroom.net.proxy import Proxy
from postroom.net.resolve import Resolver


@dataclass(frozen=True, slots=True)
class Road:
    """One way out."""

    proxy: Proxy | None = None
    # In order of preference; those that cannot be used here and now are passed over. A shuffled
    # order makes no other road: kept connections may be used again.
    local_addresses: tuple[str, ...] = field(default=(), compare=False)
    # The names that EHLO gives for some of them.
    names: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    # For proxies that came with an account (invariant I27).
    proxy_policy: EgressPolicy = EgressPolicy.LINK_LOCAL
    # Shares lookups among the connections of a process; without it each asks by itself.
    resolver: Resolver | None = field(default=None, compare=False)


def preferred(addresses: Iterable[str], strategy: str, account: str) -> tuple[str, ...]:
    """The local addresses in the order in which an account tries them; none for `default`."""
    known = list(dict.fromkeys(addresses))
    if strategy == "dedicated":
        return tuple(sorted(known, key=lambda address: _weight(address, account), reverse=True))
    if strategy == "random":
        return tuple(secrets.SystemRandom().sample(known, len(known)))
    return ()


def _weight(address: str, account: str) -> bytes:
    return hashlib.blake2b(f"{address}\0{account}".encode(), digest_size=8).digest()


def usable(addresses: Sequence[str]) -> str | None:
    """The first address that this machine can bind now."""
    return next((address for address in addresses if _can_bind(address)), None)


def _can_bind(address: str) -> bool:
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True
