"""The client's address, taken from declared proxies only (invariant I29).

Pure. `X-Forwarded-For` is read from the right: each proxy appends the peer it saw. Only a trusted
peer is believed, and trusted entries are skipped (contract config.md, EENGINE_API_PROXY_ADDRESSES).
Where the operator names no proxies, those on this host and in private networks count as named:
a caller from the internet must not be able to choose its own address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.auth.access import canonical, is_listed

# More hops than any real chain has; a longer header is cut from the right.
MAX_HOPS = 32


# Loopback, RFC 1918, RFC 4193 and link-local.
LOCAL_NETWORKS = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which peers may speak for a client; an empty list stands for the local ones."""

    is_enabled: bool = False
    trusted: Sequence[str] = ()


def client_address(peer: str | None, forwarded_for: str | None, proxies: Proxies) -> str | None:
    """The address the request really comes from; None when even the peer is unknown."""
    shown = _shown(peer)
    if not proxies.is_enabled or not forwarded_for:
        return shown
    hops = [hop.strip() for hop in forwarded_for.rsplit(",", MAX_HOPS)[-MAX_HOPS:]]
    return _from_the_right(shown, hops, proxies.trusted or LOCAL_NETWORKS)


def _from_the_right(peer: str | None, hops: list[str], trusted: Sequence[str]) -> str | None:
    address = peer
    for hop in reversed(hops):
        if not is_listed(address, trusted):
            break
        known = _shown(hop)
        if known is None:
            break
        address = known
    return address


def _shown(address: str | None) -> str | None:
    known = canonical(address)
    return None if known is None else str(known)
