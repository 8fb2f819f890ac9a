"""The order and the meaning of the token checks (contract N3 to N6)."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.auth.access import Access, Presented, check, is_listed
from postroom.errors import Forbidden
from postroom.model.token import TokenPermissions, TokenRecord, TokenRestrictions

OPEN = Access("read", "message")
ADMIN = Access("read", "admin", is_open_to_narrowed=False, bound=False)
HERE = Presented("jane", "192.0.2.1", "https://example.com/")


def _refusal(token: TokenRecord, access: Access = OPEN, presented: Presented = HERE) -> str | None:
    try:
        check(token, access, presented)
    except Forbidden as error:
        return error.text.removeprefix("Unauthorized ")
    return None


def test_checks_fail_in_the_order_of_the_contract() -> None:
    wrong: dict[str, Any] = {
        "scopes": ("smtp",),
        "permissions": TokenPermissions(actions=("write",)),
        "account": "joe",
    }
    refusals = []
    for repaired in ("scopes", "permissions", "account", None):
        restrictions = TokenRestrictions(addresses=("10.0.0.1",), referrers=("x",))
        refusals.append(_refusal(TokenRecord(restrictions=restrictions, **wrong)))
        if repaired:
            del wrong[repaired]
    assert refusals == ["scope", "permission", "account", "address"]
    assert _refusal(TokenRecord(restrictions=TokenRestrictions(referrers=("x",)))) == "referrer"
    assert _refusal(TokenRecord()) is None


@pytest.mark.parametrize(
    ("permissions", "access", "refusal"),
    [
        (TokenPermissions(), OPEN, None),
        (TokenPermissions(actions=("read",)), OPEN, None),
        (TokenPermissions(groups=("message",)), OPEN, None),
        (TokenPermissions(groups=("mailbox",)), OPEN, "permission"),
        (TokenPermissions(actions=("write",), groups=("message",)), OPEN, "permission"),
        (TokenPermissions(), ADMIN, "permission"),
        (None, ADMIN, None),
    ],
)
def test_permissions(permissions: Any, access: Access, refusal: str | None) -> None:
    assert _refusal(TokenRecord(permissions=permissions), access) == refusal


@pytest.mark.parametrize(
    ("bound", "named", "refusal"),
    [
        (True, "jane", None),
        (True, "joe", "account"),
        (True, None, "account"),
        (False, "jane", "account"),
        ("own-only", "jane", None),
        ("own-only", None, "account"),
    ],
)
def test_binding(bound: Any, named: str | None, refusal: str | None) -> None:
    access = Access("read", "message", bound=bound)
    token = TokenRecord(account="jane")
    assert _refusal(token, access, Presented(named, None)) == refusal


@pytest.mark.parametrize(
    ("address", "listed", "expected"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "192.0.2.0/24", True),
        ("192.0.2.1", "::ffff:192.0.2.0/120", True),
        ("192.0.3.1", "192.0.2.0/24", False),
        ("2001:db8::1", "2001:db8::/32", True),
        ("2001:db8::1", "192.0.2.0/24", False),
        ("fe80::1%eth0", "fe80::/10", True),
        (None, "0.0.0.0/0", False),
        ("nonsense", "0.0.0.0/0", False),
        ("192.0.2.1", "nonsense", False),
    ],
)
def test_addresses(address: str | None, listed: str, expected: bool) -> None:
    assert is_listed(address, [listed]) is expected


@pytest.mark.parametrize(
    ("pattern", "referrer", "expected"),
    [
        ("https://example.com/*", "https://example.com/a?b", None),
        ("*example.com*", "https://EXAMPLE.com/", None),
        ("https://example.com", "https://example.com/", "referrer"),
        ("https://*.example.com/*", "https://evil.com/?.example.com", "referrer"),
        ("a.c", "abc", "referrer"),
        ("*" * 50 + "x", "y" * 5_000, "referrer"),
    ],
)
def test_referrers(pattern: str, referrer: str, expected: str | None) -> None:
    token = TokenRecord(restrictions=TokenRestrictions(referrers=(pattern,)))
    assert _refusal(token, OPEN, Presented("jane", None, referrer)) == expected
