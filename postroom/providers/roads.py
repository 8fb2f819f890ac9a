"""Which road an account's connections take, and what the operator demands of all of them.

Contract X1 and X2: the proxy is the account's own, else that of the settings while it is switched
on; the local address follows the strategy of the protocol. What is decided here is pure; dialling
takes the road.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postroom.model.account import Account
from postroom.net.egress import EgressPolicy
from postroom.net.proxy import Proxy, parse_proxy
from postroom.net.resolve import Resolver
from postroom.net.road import Road, preferred
from postroom.net.tls import TlsFloor

# The settings that `RoadSettings.of` reads.
ROAD_SETTINGS = ("proxyEnabled", "proxyUrl", "localAddresses", "imapStrategy", "smtpStrategy")


@dataclass(frozen=True, slots=True)
class MailRules:
    """What the start-up options say about connections to mail servers."""

    floor: TlsFloor = TlsFloor()
    # EENGINE_WEBHOOK_EGRESS_POLICY, for proxies that come with an account (invariant I27).
    proxy_policy: EgressPolicy = EgressPolicy.LINK_LOCAL
    # EENGINE_IMAP_SOCKET_TIMEOUT; None leaves it to the deadline of each command.
    silence_s: float | None = None
    # Off by EENGINE_DISABLE_COMPRESSION.
    compresses: bool = True
    # EENGINE_CHUNK_SIZE: what a download fetches at once.
    chunk_bytes: int = 1_000_000
    # EENGINE_LOG_RAW: what is said goes to the process log as it is.
    logs_raw: bool = False
    resolver: Resolver | None = None


@dataclass(frozen=True, slots=True)
class RoadSettings:
    """What the runtime settings say about the way out."""

    proxy_url: str | None = None
    local_addresses: tuple[str, ...] = ()
    imap_strategy: str = "default"
    smtp_strategy: str = "default"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RoadSettings:
        """Read from the values of ROAD_SETTINGS."""
        return cls(
            proxy_url=values.get("proxyUrl") if values.get("proxyEnabled") else None,
            local_addresses=tuple(values.get("localAddresses") or ()),
            imap_strategy=values.get("imapStrategy") or "default",
            smtp_strategy=values.get("smtpStrategy") or "default",
        )


def imap_road(account: Account, settings: RoadSettings, rules: MailRules) -> Road:
    """The way to the account's IMAP server. Raises ConnectFailed for a proxy that is none."""
    return _road(account, settings, settings.imap_strategy, rules)


def smtp_road(account: Account, settings: RoadSettings, rules: MailRules) -> Road:
    """The way to the account's SMTP server. Raises ConnectFailed for a proxy that is none."""
    return _road(account, settings, settings.smtp_strategy, rules)


def _road(account: Account, settings: RoadSettings, strategy: str, rules: MailRules) -> Road:
    # An address may carry the name that EHLO gives for it: `192.0.2.1|mail.example.com`.
    entries = [entry.partition("|") for entry in settings.local_addresses]
    names = {address.strip(): name.strip() for address, _, name in entries}
    chosen = preferred(names, strategy, account.account)
    return Road(
        _proxy(account, settings),
        chosen,
        tuple((address, names[address]) for address in chosen if names[address]),
        rules.proxy_policy,
        rules.resolver,
    )


def _proxy(account: Account, settings: RoadSettings) -> Proxy | None:
    if account.proxy:
        return parse_proxy(account.proxy, is_from_account=True)
    return parse_proxy(settings.proxy_url) if settings.proxy_url else None
