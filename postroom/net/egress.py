"""Which addresses we may connect to for a user: a pure rule (contract X3, invariant I27).

The rule is asked about the very address that a socket is about to connect to, never about a name,
so that a name that resolves to something else a moment later (DNS rebinding) changes nothing. An
IPv6 address that stands for an IPv4 one (RFC 4291 2.5.5, RFC 6052, RFC 3056) is judged as both.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Iterator

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class EgressPolicy(enum.StrEnum):
    """The values of EENGINE_WEBHOOK_EGRESS_POLICY."""

    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    OFF = "off"


def _networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Link-local, and where clouds hand out credentials to whoever asks from inside.
_LINK_LOCAL = _networks(
    "169.254.0.0/16",
    "fe80::/10",
    # Metadata outside the link-local ranges: Alibaba, Oracle, Azure, AWS and Google over IPv6.
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
    "fd00:ec2::/32",
    "fd20:ce::/32",
)
_PRIVATE = _networks(
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "100.64.0.0/10",
    "::1/128",
    "fc00::/7",
    # Deprecated site-local (RFC 3879) and the unspecified addresses, which reach this host.
    "fec0::/10",
    "0.0.0.0/8",
    "::/128",
)
_BLOCKED = {
    EgressPolicy.LINK_LOCAL: _LINK_LOCAL,
    EgressPolicy.PRIVATE: _LINK_LOCAL + _PRIVATE,
    EgressPolicy.OFF: (),
}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")


def is_blocked(policy: EgressPolicy, address: str) -> bool:
    """Whether the policy forbids to connect to the numeric `address`.

    Under any policy but `off`, text that is no address is forbidden.
    """
    if policy is EgressPolicy.OFF:
        return False
    try:
        # A scope (`fe80::1%eth0`) says where, not what.
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return True
    return any(meant in network for meant in _meanings(parsed) for network in _BLOCKED[policy])


def _meanings(address: Address) -> Iterator[Address]:
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address in _NAT64 or address in _COMPATIBLE:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
