"""Protocol logs: bounded, in order, and gone with their account."""

from __future__ import annotations

from postroom.clock import Clock
from postroom.crypto import Sealer
from postroom.model.account import Account
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.protocol_log import KEPT_S, PAGE_LINES, ProtocolLogs
from tests.fakes.clock import FakeClock
from tests.unit.store.census import keys_of

NAME = "a*?[b]"


async def registered(store: Store, clock: Clock) -> Accounts:
    accounts = Accounts(store, Sealer(None), clock)
    await accounts.create(Account(account=NAME), [])
    return accounts


async def read(logs: ProtocolLogs, name: str = NAME) -> list[bytes]:
    return b"".join([piece async for piece in logs.read(name)]).splitlines()


async def test_the_newest_lines_are_kept_in_order(store: Store, clock: FakeClock) -> None:
    await registered(store, clock)
    logs = ProtocolLogs(store)
    assert await read(logs) == []
    for start in range(0, 3000, 300):
        await logs.append(NAME, [b"%d" % n for n in range(start, start + 300)], 2 * PAGE_LINES)
    assert await read(logs) == [b"%d" % n for n in range(3000 - 2 * PAGE_LINES, 3000)]
    key = store.keys.account(NAME, "protocol-log")
    assert 0 < await store.command("TTL", key) <= KEPT_S
    await logs.append(NAME, [b"x"] * 10, 0)
    assert len(await read(logs)) == 2 * PAGE_LINES
    await logs.append(NAME, [b"y%d" % n for n in range(10)], 3)
    assert await read(logs) == [b"y7", b"y8", b"y9"]


async def test_a_batch_that_is_sent_again_is_stored_once(store: Store, clock: FakeClock) -> None:
    await registered(store, clock)
    logs = ProtocolLogs(store)
    for _ in range(2):
        await logs.append(NAME, [b"one", b"two"], 100)
    assert await read(logs) == [b"one", b"two"]


async def test_a_log_ends_with_its_account_and_does_not_come_back(
    store: Store, clock: FakeClock
) -> None:
    accounts = await registered(store, clock)
    logs = ProtocolLogs(store)
    await logs.append(NAME, [b"one"], 100)
    await accounts.delete(NAME, [])
    await logs.append(NAME, [b"late"], 100)
    assert not [key for key in await keys_of(store) if NAME in key]
