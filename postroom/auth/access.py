"""Whether a token may make a call: the checks of contract N3, in their order, as pure functions.

Token -> scope -> permissions -> account binding -> addresses -> referrers. The rate limit comes
last and lives in the store. Each refusal is a Forbidden whose `extra` names what was missing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from postroom.errors import Forbidden
from postroom.model.token import TokenRecord

# Contract N5: cannot be granted, so a token with permissions never reaches these operations.
ADMIN = "admin"
ANY_SCOPE = "*"


@dataclass(frozen=True, slots=True)
class Access:
    """What an operation asks of a token (contract `x-auth`).

    `is_open_to_narrowed`: a token with permissions may hold it. `bound`: whether a token bound to
    an account may call it; "own-only" means with its own account named.
    """

    action: str
    group: str
    is_open_to_narrowed: bool = True
    bound: bool | Literal["own-only"] = True
    scopes: tuple[str, ...] = ("api", ANY_SCOPE)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request says about itself: the account it names and where it comes from."""

    account: str | None
    address: str | None
    referrer: str | None = None


def check(token: TokenRecord, access: Access, presented: Presented) -> None:
    """Raise Forbidden at the first check that fails."""
    check_scope(token, access.scopes)
    check_permissions(token, access)
    check_account(token, access, presented.account)
    check_address(token, presented.address)
    check_referrer(token, presented.referrer)


def check_scope(token: TokenRecord, scopes: tuple[str, ...]) -> None:
    """The token has one of the scopes."""
    if not set(scopes) & set(token.scopes):
        raise Forbidden("Unauthorized scope", extra={"requestedScope": scopes[0]})


def check_permissions(token: TokenRecord, access: Access) -> None:
    """A narrowed token holds the operation's action and group; a missing axis allows all."""
    granted = token.permissions
    if granted is None:
        return
    is_allowed = (
        access.is_open_to_narrowed
        and access.group != ADMIN
        and (granted.actions is None or access.action in granted.actions)
        and (granted.groups is None or access.group in granted.groups)
    )
    if not is_allowed:
        wanted = {"action": access.action, "group": access.group}
        raise Forbidden("Unauthorized permission", extra={"requiredPermission": wanted})


def check_account(token: TokenRecord, access: Access, account: str | None) -> None:
    """A bound token reaches only routes that name its account (contract N4)."""
    if token.account is not None and (access.bound is False or account != token.account):
        raise Forbidden("Unauthorized account")


def check_address(token: TokenRecord, address: str | None) -> None:
    """The client's address is on the token's list, if it has one."""
    allowed = token.restrictions.addresses if token.restrictions else None
    if allowed and not is_listed(address, allowed):
        raise Forbidden("Unauthorized address", extra={"remoteAddress": address or ""})


def check_referrer(token: TokenRecord, referrer: str | None) -> None:
    """The request's referrer matches one of the token's patterns, if it has any."""
    allowed = token.restrictions.referrers if token.restrictions else None
    if allowed and not any(_matches(referrer or "", pattern) for pattern in allowed):
        raise Forbidden("Unauthorized referrer")


def is_listed(address: str | None, networks: Iterable[str]) -> bool:
    """Whether the address is one of, or in one of, the networks (invariant I29)."""
    known = canonical(address)
    if known is None:
        return False
    return any(known in network for network in map(_network, networks) if network is not None)


def canonical(address: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address; an IPv4-mapped IPv6 address is the IPv4 address (invariant I29)."""
    try:
        known = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return mapped or known


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        # ::ffff:a.b.c.d/96+n stands for a.b.c.d/n.
        if mapped is not None and network.prefixlen >= 96:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _matches(referrer: str, pattern: str) -> bool:
    # `*` stands for any text; collapsing runs of it keeps the match from backtracking (I28).
    parts = [re.escape(part) for part in re.split(r"\*+", pattern)]
    return re.fullmatch(".*?".join(parts), referrer, re.IGNORECASE | re.DOTALL) is not None
