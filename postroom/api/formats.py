"""The text formats of the contract, each a function that gives the normal form or raises.

Pure. A ValueError's text completes the sentence "<field> ...". The checks are those a server
must make to stay safe and helpful, not full grammars: what a mail server refuses is its business.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from postroom.clock import iso, parse_iso

# RFC 5321 4.5.3.1: 64 octets of local part, 255 of domain.
MAX_EMAIL = 320
# RFC 1035 2.3.4, in characters.
MAX_HOST = 253
# RFC 1034 labels; the underscore is not legal but in use.
_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)", re.UNICODE)
_LOCAL_PART = re.compile(r"[^\s@<>,;:\\\"()\[\]\x00-\x1f\x7f]{1,64}|\"[^\r\n\x00]{1,62}\"")
_UNSAFE_IN_URI = re.compile(r"[\s\x00-\x1f\x7f<>\"\\^`]")


def email(value: str) -> str:
    """An address: `local@domain`."""
    local, at, domain = value.rpartition("@")
    if not at or len(value) > MAX_EMAIL or not _LOCAL_PART.fullmatch(local):
        raise ValueError("must be an email address")
    if not (_is_host(domain) or _is_address_literal(domain)):
        raise ValueError("must be an email address")
    return value


def hostname(value: str) -> str:
    """A host name or an IP address."""
    if not (_is_host(value) or _is_address(value)):
        raise ValueError("must be a host name or an IP address")
    return value


def date_time(value: str) -> str:
    """An ISO 8601 date, in UTC with milliseconds."""
    try:
        return iso(parse_iso(value))
    except (ValueError, OverflowError, OSError):
        raise ValueError("must be an ISO 8601 date") from None


def uri(value: str, schemes: Sequence[str]) -> str:
    """An absolute URI of one of the schemes."""
    problem = f"must be an address that starts with {', '.join(f'{name}:' for name in schemes)}"
    if _UNSAFE_IN_URI.search(value):
        raise ValueError(problem)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(problem) from None
    has_place = bool(parts.path) if parts.scheme == "mailto" else bool(host)
    if parts.scheme not in schemes or not has_place:
        raise ValueError(problem)
    return value


def ip(value: str, cidr: str) -> str:
    """An IP address, or a network where `cidr` is "optional"."""
    try:
        if cidr == "optional" and "/" in value:
            ipaddress.ip_network(value, strict=False)
        else:
            ipaddress.ip_address(value)
    except ValueError:
        wanted = "an IP address or a network" if cidr == "optional" else "an IP address"
        raise ValueError(f"must be {wanted}") from None
    return value


def for_rules(rules: Mapping[str, Any]) -> Callable[[str], str] | None:
    """The check that a field's rules ask for, if any."""
    name = rules.get("format")
    if name == "uri":
        schemes = tuple(rules.get("x-uri-schemes", ("http", "https")))
        return lambda value: uri(value, schemes)
    if name == "ip":
        cidr = rules.get("x-cidr", "forbidden")
        return lambda value: ip(value, cidr)
    return _FORMATS.get(name) if name else None


_FORMATS: dict[str, Callable[[str], str]] = {
    "email": email,
    "hostname": hostname,
    "date-time": date_time,
}


def _is_host(value: str) -> bool:
    labels = value.removesuffix(".").split(".")
    return len(value) <= MAX_HOST and all(_LABEL.fullmatch(label) for label in labels)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _is_address_literal(value: str) -> bool:
    inner = value[1:-1].removeprefix("IPv6:")
    return value.startswith("[") and value.endswith("]") and _is_address(inner)
