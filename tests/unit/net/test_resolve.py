"""Lookups are shared, forgotten in time, and lost by nobody."""

from __future__ import annotations

import asyncio
import socket

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.net import resolve
from postroom.net.dial import open_socket
from postroom.net.resolve import KEPT_S, MOST_NAMES, Address, Resolver, literal
from postroom.net.road import Road
from tests.fakes.clock import FakeClock


class NameServer:
    """Counts what it is asked and answers when it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fault: OSError | None = None
        monkeypatch.setattr(resolve, "look_up", self._look_up)

    async def _look_up(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        place = ("192.0.2.1", port)
        v6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", port, 0, 0))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place), v6]


async def test_those_who_ask_at_the_same_time_share_a_lookup(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    names, resolver = NameServer(monkeypatch), Resolver(clock)
    names.may_answer.clear()
    asking = [asyncio.create_task(resolver.addresses("mail", 993)) for _ in range(50)]
    other = asyncio.create_task(resolver.addresses("mail", 143))
    await asyncio.sleep(0)
    asking.pop().cancel()
    names.may_answer.set()
    for found in await asyncio.gather(*asking):
        assert [one[4] for one in found] == [("192.0.2.1", 993), ("2001:db8::1", 993, 0, 0)]
    assert (await other)[0][4] == ("192.0.2.1", 143)
    assert names.asked == ["mail"]
    await clock.advance(KEPT_S)
    await resolver.addresses("mail", 993)
    assert names.asked == ["mail"] * 2


async def test_a_failed_lookup_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    names, resolver = NameServer(monkeypatch), Resolver(clock)
    names.fault = socket.gaierror(socket.EAI_AGAIN, "later")
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await resolver.addresses("mail", 993)
    names.fault = None
    assert await resolver.addresses("mail", 993)
    assert len(names.asked) == 3


async def test_a_lookup_that_everybody_left_is_not_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    names, resolver = NameServer(monkeypatch), Resolver(clock)
    names.may_answer.clear()
    asking = asyncio.create_task(resolver.addresses("mail", 993))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    names.may_answer.set()
    assert await resolver.addresses("mail", 993)
    assert names.asked == ["mail"]


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    NameServer(monkeypatch)
    resolver = Resolver(clock)
    for number in range(MOST_NAMES + 10):
        await resolver.addresses(str(number), 1)
    assert len(resolver._kept) <= MOST_NAMES


def test_an_address_needs_no_lookup() -> None:
    assert literal("127.0.0.1", 5) == (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 5))
    found = literal("::1", 5)
    assert found is not None
    assert found[4] == ("::1", 5, 0, 0)
    for name in ("localhost", "fe80::1%lo", "", "1.2.3"):
        assert literal(name, 5) is None


async def test_a_name_is_connected_to_by_a_shared_lookup() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    road = Road(resolver=Resolver(SystemClock()))
    for _ in range(2):
        sock = await open_socket("localhost", port, road, Deadline.after(SystemClock(), 5))
        assert sock.getpeername()[:2] == ("127.0.0.1", port)
        sock.close()
    server.close()
