"""The client's address behind proxies (invariant I29)."""

from __future__ import annotations

import pytest

from postroom.auth.address import Proxies, client_address

TRUSTED = Proxies(is_enabled=True, trusted=("10.0.0.0/8",))
ANY = Proxies(is_enabled=True)
NONE = Proxies()


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "expected"),
    [
        ("192.0.2.1", None, TRUSTED, "192.0.2.1"),
        ("::ffff:192.0.2.1", None, NONE, "192.0.2.1"),
        ("10.0.0.1", "203.0.113.1", NONE, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1", TRUSTED, "203.0.113.1"),
        ("::ffff:10.0.0.1", "203.0.113.1", TRUSTED, "203.0.113.1"),
        ("192.0.2.1", "203.0.113.1", TRUSTED, "192.0.2.1"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.1, 10.0.0.2", TRUSTED, "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, garbage", TRUSTED, "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", TRUSTED, "10.0.0.3"),
        ("127.0.0.1", "203.0.113.1, 10.0.0.2", ANY, "203.0.113.1"),
        ("::1", "6.6.6.6, 203.0.113.1", ANY, "203.0.113.1"),
        ("192.0.2.1", "203.0.113.1", ANY, "192.0.2.1"),
        ("192.0.2.1", "garbage", ANY, "192.0.2.1"),
        ("192.0.2.1", "", ANY, "192.0.2.1"),
        (None, None, ANY, None),
    ],
)
def test_the_client_address(
    peer: str | None, forwarded: str | None, proxies: Proxies, expected: str | None
) -> None:
    assert client_address(peer, forwarded, proxies) == expected


def test_an_endless_header_is_cut() -> None:
    chain = ",".join(["203.0.113.1"] + ["10.0.0.2"] * 10_000)
    assert client_address("10.0.0.1", chain, TRUSTED) == "10.0.0.2"
