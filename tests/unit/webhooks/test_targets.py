"""Who gets an event: the gating rules of webhooks.json as a table."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.model.account import Account, CustomHeader
from postroom.model.event import Event, EventType
from postroom.webhooks.targets import DEFAULT, WebhookRules, destinations, target

GLOBAL = "https://global.example/hook"
OWN = "https://own.example/hook"
PLAIN = Account(account="a")
WITH_OWN = Account(account="a", webhooks=OWN)
BASE: dict[str, Any] = {"webhooksEnabled": True, "webhooks": GLOBAL, "webhookEvents": ["*"]}


def event(name: str = "messageNew", **fields: Any) -> Event:
    return Event(event_id="i", account="a", date="d", event=EventType(name), **fields)


def found(
    name: str, account: Account | None, settings: dict[str, Any], whole: Event | None = None
) -> tuple[str, ...]:
    return destinations(name, account, WebhookRules.of(settings), lambda: whole)


@pytest.mark.parametrize(
    ("settings", "account", "expected"),
    [
        (BASE, PLAIN, True),
        (BASE, WITH_OWN, True),
        ({}, WITH_OWN, False),
        (BASE | {"webhooksEnabled": False}, WITH_OWN, False),
        (BASE | {"webhooksEnabled": None}, WITH_OWN, False),
        (BASE | {"webhooks": None}, PLAIN, False),
        (BASE | {"webhooks": None}, WITH_OWN, True),
        (BASE | {"webhookEvents": None}, WITH_OWN, False),
        (BASE | {"webhookEvents": []}, WITH_OWN, False),
        (BASE | {"webhookEvents": ["messageNew"]}, PLAIN, True),
        (BASE | {"webhookEvents": ["messageSent"]}, PLAIN, False),
        (BASE | {"webhookEvents": ["messageSent", "*"]}, PLAIN, True),
        (BASE, None, False),
    ],
)
def test_the_default_destination_follows_the_settings(
    settings: dict[str, Any], account: Account | None, expected: bool
) -> None:
    assert found("messageNew", account, settings) == ((DEFAULT,) if expected else ())


def test_of_a_deleted_account_only_its_deletion_is_announced() -> None:
    assert found("accountDeleted", None, BASE) == (DEFAULT,)
    assert found("messageDeleted", None, BASE) == ()
    assert found("accountDeleted", None, BASE | {"webhooks": None}) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"path": "INBOX"}, True),
        ({"path": "Inbox"}, True),
        ({"path": "INBOX/Sub"}, False),
        ({"path": "All", "data": {"path": "INBOX"}}, True),
        ({"path": "Eingang", "special_use": "\\Inbox"}, True),
        ({"path": "All", "data": {"messageSpecialUse": "\\Inbox"}}, True),
        ({"path": "All", "data": {"labels": ["\\Important", "\\Inbox"]}}, True),
        ({"path": "All", "data": {"labels": ["Inbox"]}}, False),
        ({"path": "Sent", "special_use": "\\Sent", "data": {"labels": "\\Inbox"}}, False),
        ({"data": None}, False),
    ],
)
def test_inbox_only_looks_at_path_special_use_and_labels(
    fields: dict[str, Any], expected: bool
) -> None:
    settings = BASE | {"inboxNewOnly": True}
    assert found("messageNew", PLAIN, settings, event(**fields)) == ((DEFAULT,) if expected else ())
    assert found("messageUpdated", PLAIN, settings, event("messageUpdated", **fields))
    assert found("messageNew", PLAIN, BASE, event(**fields))


def test_a_damaged_event_is_not_hidden_by_inbox_only() -> None:
    assert found("messageNew", PLAIN, BASE | {"inboxNewOnly": True}, None) == (DEFAULT,)


def test_the_account_s_url_beats_the_global_one() -> None:
    rules = WebhookRules.of(BASE)
    own, shared = (target(DEFAULT, "x", one, rules) for one in (WITH_OWN, PLAIN))
    assert own is not None
    assert shared is not None
    assert (own.url, own.is_global) == (OWN, False)
    assert (shared.url, shared.is_global) == (GLOBAL, True)


def test_the_account_s_headers_come_after_the_global_ones() -> None:
    headers = [{"key": "A", "value": "1"}, {"key": "B"}]
    account = Account(account="a", webhooks_custom_headers=(CustomHeader(key="A", value="2"),))
    got = target(DEFAULT, "x", account, WebhookRules.of(BASE | {"webhooksCustomHeaders": headers}))
    assert got is not None
    assert got.headers == (("A", "1"), ("B", ""), ("A", "2"))


@pytest.mark.parametrize(
    ("destination", "name", "account", "settings"),
    [
        ("unknown", "messageNew", PLAIN, BASE),
        (DEFAULT, "messageNew", PLAIN, BASE | {"webhooksEnabled": False}),
        (DEFAULT, "messageNew", PLAIN, BASE | {"webhooks": None}),
        (DEFAULT, "messageNew", None, BASE),
    ],
)
def test_a_destination_may_be_gone_when_it_is_delivered(
    destination: str, name: str, account: Account | None, settings: dict[str, Any]
) -> None:
    assert target(destination, name, account, WebhookRules.of(settings)) is None
