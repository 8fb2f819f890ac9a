"""The egress policy is a table of addresses (contract X3)."""

from __future__ import annotations

import pytest

from postroom.net.egress import EgressPolicy, is_blocked

LINK_LOCAL = [
    "169.254.169.254",
    "169.254.0.1",
    "169.254.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "febf:ffff::1",
    "100.100.100.200",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "::a9fe:a9fe",
]
PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "127.0.0.1",
    "127.255.255.254",
    "100.64.0.1",
    "0.0.0.0",
    "::",
    "::1",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
]
PUBLIC = [
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "169.253.1.1",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
]


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_link_local_and_metadata_are_blocked_by_both_policies(address: str) -> None:
    assert is_blocked(EgressPolicy.LINK_LOCAL, address)
    assert is_blocked(EgressPolicy.PRIVATE, address)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_blocked_by_private_only(address: str) -> None:
    assert not is_blocked(EgressPolicy.LINK_LOCAL, address)
    assert is_blocked(EgressPolicy.PRIVATE, address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    assert not is_blocked(EgressPolicy.LINK_LOCAL, address)
    assert not is_blocked(EgressPolicy.PRIVATE, address)


@pytest.mark.parametrize("address", [*LINK_LOCAL, *PRIVATE, *PUBLIC, "nonsense"])
def test_off_blocks_nothing(address: str) -> None:
    assert not is_blocked(EgressPolicy.OFF, address)


@pytest.mark.parametrize("address", ["", "localhost", "1.2.3", "0x7f.1", "300.1.1.1"])
def test_what_is_no_address_is_blocked(address: str) -> None:
    assert is_blocked(EgressPolicy.LINK_LOCAL, address)
