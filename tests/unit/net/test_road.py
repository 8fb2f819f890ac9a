"""The choice of the local address, and connections from it."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.model.account import Account, SmtpServer
from postroom.net.dial import open_socket
from postroom.net.proxy import parse_proxy
from postroom.net.road import Road, preferred, usable
from postroom.net.smtp import SmtpConnection, SmtpTarget
from postroom.providers.roads import MailRules, RoadSettings, imap_road, smtp_road
from tests.fakes.smtp_sink import SmtpSink

THREE = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
# TEST-NET-1 (RFC 5737): no machine has it.
FOREIGN = "192.0.2.77"


def soon() -> Deadline:
    return Deadline.after(SystemClock(), 10)


def test_the_default_strategy_chooses_nothing() -> None:
    assert preferred(THREE, "default", "a") == ()


def test_a_dedicated_address_is_always_the_same_and_spread_over_accounts() -> None:
    first = {str(n): preferred(THREE, "dedicated", str(n))[0] for n in range(300)}
    assert first == {str(n): preferred(reversed(THREE), "dedicated", str(n))[0] for n in range(300)}
    assert min(Counter(first.values()).values()) > 60
    # Only the accounts of an address that goes away get another one.
    for name, address in first.items():
        left = [one for one in THREE if one != THREE[0]]
        if address != THREE[0]:
            assert preferred(left, "dedicated", name)[0] == address


def test_a_random_order_holds_every_address_and_changes() -> None:
    orders = {preferred(THREE, "random", "a") for _ in range(100)}
    assert len(orders) == 6
    assert all(sorted(order) == sorted(THREE) for order in orders)


def test_addresses_that_this_machine_does_not_have_are_skipped() -> None:
    assert usable([FOREIGN, "nonsense", "2001:db8::1", "127.0.0.3"]) == "127.0.0.3"
    assert usable([FOREIGN]) is None


@pytest.mark.parametrize(
    ("addresses", "seen"),
    [
        (("127.0.0.5",), "127.0.0.5"),
        ((FOREIGN, "127.0.0.6"), "127.0.0.6"),
        (("::1", "127.0.0.7"), "127.0.0.7"),
        ((FOREIGN,), "127.0.0.1"),
        (("::1",), "127.0.0.1"),
        ((), "127.0.0.1"),
    ],
)
async def test_the_server_sees_the_first_usable_address(
    addresses: tuple[str, ...], seen: str
) -> None:
    peers: list[str] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connected = await open_socket("127.0.0.1", port, Road(local_addresses=addresses), soon())
    assert await asyncio.get_running_loop().sock_recv(connected, 1) == b""
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    connected.close()
    server.close()
    assert peers == [seen]


def test_the_account_s_proxy_comes_before_that_of_the_settings() -> None:
    plain = Account(account="a")
    own = Account(account="a", proxy="socks5://own.example:1")
    url = "http://settings.example:2"
    on = RoadSettings.of({"proxyEnabled": True, "proxyUrl": url})
    off = RoadSettings.of({"proxyEnabled": False, "proxyUrl": url})
    rules = MailRules()
    assert imap_road(plain, on, rules).proxy == parse_proxy(url)
    assert imap_road(plain, off, rules).proxy is None
    theirs = parse_proxy("socks5://own.example:1", is_from_account=True)
    assert imap_road(own, on, rules).proxy == smtp_road(own, off, rules).proxy == theirs


def test_each_protocol_has_a_strategy_of_its_own() -> None:
    values = {"localAddresses": THREE, "imapStrategy": "dedicated"}
    settings = RoadSettings.of(values)
    account = Account(account="a")
    assert set(imap_road(account, settings, MailRules()).local_addresses) == set(THREE)
    assert smtp_road(account, settings, MailRules()).local_addresses == ()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"ehlo_name": "account.example"}, "account.example"),
        ({}, "address.example"),
        ({"road": Road(), "usual_ehlo_name": "usual.example"}, "usual.example"),
    ],
)
async def test_the_ehlo_name_is_the_account_s_then_the_address_s_then_the_setting_s(
    given: dict[str, object], name: str
) -> None:
    sink = await SmtpSink().start()
    settings = RoadSettings(
        local_addresses=("127.0.0.9|address.example",), smtp_strategy="dedicated"
    )
    account = Account(account="a", smtp=SmtpServer(host="127.0.0.1", port=sink.port))
    told: dict[str, object] = {
        "road": smtp_road(account, settings, MailRules()),
        "usual_ehlo_name": "usual.example",
        **given,
    }
    connection = await SmtpConnection.open(
        SmtpTarget("127.0.0.1", sink.port, **told),  # type: ignore[arg-type]
        soon(),
    )
    assert connection._client.local_hostname == name
    await connection.close()
    await sink.stop()
