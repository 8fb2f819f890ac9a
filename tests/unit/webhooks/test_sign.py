"""The headers of a delivery, and the body they sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from postroom import __version__
from postroom.model.event import Event, EventType
from postroom.webhooks.payload import webhook_body
from postroom.webhooks.sign import (
    Delivery,
    delivery_headers,
    ordinary_headers,
    origin,
    signature_header,
    split_login,
)


def test_the_body_is_the_envelope_without_the_event_id() -> None:
    event = Event(
        event_id="e1",
        account="a",
        date="2026-11-20T09:22:00.000Z",
        event=EventType.MESSAGE_NEW,
        path="INBOX",
        special_use="\\Inbox",
        data={"id": "x", "subject": "Gr\u00fc\u00dfe", "nothing": None},
    )
    body = webhook_body(event, "https://mail.example")
    assert json.loads(body) == {
        "serviceUrl": "https://mail.example",
        "account": "a",
        "date": "2026-11-20T09:22:00.000Z",
        "event": "messageNew",
        "path": "INBOX",
        "specialUse": "\\Inbox",
        "data": {"id": "x", "subject": "Gr\u00fc\u00dfe", "nothing": None},
    }


def test_what_is_undefined_is_left_out_and_the_service_url_may_be_null() -> None:
    event = Event(
        event_id="e1", account="a", date="d", event=EventType.ACCOUNT_DELETED, data={"account": "a"}
    )
    assert json.loads(webhook_body(event, None)) == {
        "serviceUrl": None,
        "account": "a",
        "date": "d",
        "event": "accountDeleted",
        "data": {"account": "a"},
    }


def test_the_signature_is_base64url_hmac_sha256_of_the_body() -> None:
    digest = hmac.new(b"key", b"body", hashlib.sha256).digest()
    expected = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert signature_header("key", b"body") == {"X-EE-Wh-Signature": expected}
    assert signature_header(None, b"body") == {}


def test_the_delivery_is_described() -> None:
    assert delivery_headers(Delivery("event", "job", 3, 17)) == {
        "X-EE-Wh-Event-Id": "event",
        "X-EE-Wh-Id": "job",
        "X-EE-Wh-Attempts-Made": "3",
        "X-EE-Wh-Queued-Time": "17s",
    }


@pytest.mark.parametrize(
    ("url", "bare", "login"),
    [
        ("https://h/p?q=1", "https://h/p?q=1", None),
        ("https://u:p@h:8/p", "https://h:8/p", "u:p"),
        ("https://u@h/", "https://h/", "u:"),
        ("https://a%40b:p%3A%2F@h/", "https://h/", "a@b:p:/"),
        ("https://u:p@ss@h/", "https://h/", "u:p@ss"),
        ("https://u:p@[::1]:8/", "https://[::1]:8/", "u:p"),
    ],
)
def test_a_login_in_the_url_becomes_basic_authorization(
    url: str, bare: str, login: str | None
) -> None:
    header = None if login is None else "Basic " + base64.b64encode(login.encode()).decode()
    assert split_login(url) == (bare, header)


def test_the_origin_shows_neither_login_nor_path() -> None:
    assert origin("https://u:canary@h:8/path?token=canary") == "https://h:8"


def test_we_say_who_we_are() -> None:
    headers = ordinary_headers(None, "https://mail.example", ())
    assert headers == {
        "Content-Type": "application/json",
        "User-Agent": f"Postroom/{__version__} (+https://mail.example)",
    }
    assert ordinary_headers(None, None, ())["User-Agent"] == f"Postroom/{__version__}"


def test_later_custom_headers_replace_earlier_ones_and_ours_whatever_their_case() -> None:
    custom = (("authorization", "Bearer t"), ("X-Key", "1"), ("x-key", "2"))
    headers = ordinary_headers("Basic x", None, custom)
    assert headers["authorization"] == "Bearer t"
    assert headers["x-key"] == "2"
    assert "Authorization" not in headers
    assert "X-Key" not in headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-EE-Wh-Signature", "forged"),
        ("x-ee-wh-event-id", "forged"),
        ("Content-Length", "0"),
        ("transfer-encoding", "chunked"),
        ("Host", "elsewhere"),
        ("", "x"),
        ("X Y", "x"),
        ("X:Y", "x"),
        ("X-\u00e9", "x"),
        ("X-Split", "a\r\nX-Injected: 1"),
        ("X-Null", "a\x00"),
    ],
)
def test_a_custom_header_that_must_not_or_cannot_be_sent_is_left_out(name: str, value: str) -> None:
    assert ordinary_headers(None, None, [(name, value)]) == ordinary_headers(None, None, ())
