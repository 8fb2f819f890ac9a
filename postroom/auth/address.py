"""The client's address, taken from declared proxies only (invariant I29).

Pure. `X-Forwarded-For` is read from the right: each proxy appends the peer it saw. Without a list
of trusted proxies and with proxying on, every peer is taken for the proxy (contract config.md,
EENGINE_API_PROXY); with a list, only a listed peer is believed and listed entries are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.auth.access import canonical, is_listed

# More hops than any real chain has; a longer header is cut from the right.
MAX_HOPS = 32


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which peers may speak for a client."""

    is_enabled: bool = False
    trusted: Sequence[str] = ()


def client_address(peer: str | None, forwarded_for: str | None, proxies: Proxies) -> str | None:
    """The address the request really comes from; None when even the peer is unknown."""
    shown = _shown(peer)
    if not proxies.is_enabled or not forwarded_for:
        return shown
    hops = [hop.strip() for hop in forwarded_for.rsplit(",", MAX_HOPS)[-MAX_HOPS:]]
    if not proxies.trusted:
        # The first entry is what the outermost proxy saw; nobody told us which hops to skip.
        return _shown(hops[0]) or shown
    return _from_the_right(shown, hops, proxies.trusted)


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
