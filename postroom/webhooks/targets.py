"""Who gets an event, and where that is: pure functions of settings, account and event.

A destination is a name (`default`; routes will be others) that the dispatcher writes on a lane; the
target behind it is looked up when the lane is delivered, so that a corrected URL takes effect for
what already waits. The rules are webhooks.json, `gating`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from postroom.model.account import Account
from postroom.model.event import Event, EventType

# The account's own URL, else the global one.
DEFAULT = "default"

# The settings that `WebhookRules.of` reads.
SETTING_NAMES = (
    "webhooksEnabled",
    "webhooks",
    "webhookEvents",
    "webhooksCustomHeaders",
    "inboxNewOnly",
    "serviceUrl",
    "serviceSecret",
    "webhookErrorFlag",
)
_INBOX = "\\inbox"


@dataclass(frozen=True, slots=True)
class WebhookRules:
    """What the settings say about webhooks."""

    is_enabled: bool = False
    url: str | None = None
    events: frozenset[str] = frozenset()
    headers: tuple[tuple[str, str], ...] = ()
    is_inbox_only: bool = False
    service_url: str | None = None
    service_secret: str | None = None
    has_error_flag: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> WebhookRules:
        """The rules in the values of SETTING_NAMES."""
        headers = settings.get("webhooksCustomHeaders") or ()
        return cls(
            is_enabled=bool(settings.get("webhooksEnabled")),
            url=settings.get("webhooks") or None,
            events=frozenset(settings.get("webhookEvents") or ()),
            headers=tuple((header["key"], header.get("value", "")) for header in headers),
            is_inbox_only=bool(settings.get("inboxNewOnly")),
            service_url=settings.get("serviceUrl") or None,
            service_secret=settings.get("serviceSecret") or None,
            has_error_flag=settings.get("webhookErrorFlag") is not None,
        )

    def wants(self, event: str) -> bool:
        """Whether the default target gets events of this name."""
        return "*" in self.events or event in self.events


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post; later headers replace earlier ones of the same name."""

    url: str
    headers: tuple[tuple[str, str], ...]
    # Whether it is the URL of the settings, whose last error the settings show.
    is_global: bool


def destinations(
    name: str, account: Account | None, rules: WebhookRules, read: Callable[[], Event | None]
) -> tuple[str, ...]:
    """The destinations of an event called `name`; `read` gives it whole, for rules that need it.

    `account` is None when the account is gone: then only its accountDeleted is announced.
    """
    if not rules.is_enabled or not rules.wants(name) or not _may_be_told(name, account):
        return ()
    if _url(account, rules) is None:
        return ()
    if name == EventType.MESSAGE_NEW and rules.is_inbox_only:
        event = read()
        if event is not None and not is_in_inbox(event):
            return ()
    return (DEFAULT,)


def target(
    destination: str, name: str, account: Account | None, rules: WebhookRules
) -> Target | None:
    """Where the destination is now; None when nothing is to be sent there any more."""
    if destination != DEFAULT or not rules.is_enabled or not _may_be_told(name, account):
        return None
    url = _url(account, rules)
    if url is None:
        return None
    own = () if account is None else account.webhooks_custom_headers
    headers = (*rules.headers, *((header.key, header.value) for header in own))
    return Target(url, headers, is_global=account is None or not account.webhooks)


def is_in_inbox(event: Event) -> bool:
    """Whether a message is in the Inbox by path, special use or label (note on messageNew)."""
    data = event.data if isinstance(event.data, dict) else {}
    paths = (event.path, data.get("path"))
    if any(isinstance(path, str) and path.upper() == "INBOX" for path in paths):
        return True
    labels = data.get("labels")
    uses = [event.special_use, data.get("messageSpecialUse")]
    uses += labels if isinstance(labels, list) else []
    return any(isinstance(use, str) and use.lower() == _INBOX for use in uses)


def _may_be_told(name: str, account: Account | None) -> bool:
    return account is not None or name == EventType.ACCOUNT_DELETED


def _url(account: Account | None, rules: WebhookRules) -> str | None:
    own = account.webhooks if account is not None else None
    return own or rules.url
