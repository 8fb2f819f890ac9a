"""What a store that cannot serve looks like from inside: StoreUnavailable, and no secret in it."""

from __future__ import annotations

import asyncio

import pytest

from postroom.errors import StoreUnavailable
from postroom.store.connection import AT_ONCE, Store
from postroom.store.scripts import Script


async def every_way(store: Store) -> None:
    """A write as a command, in a batch and by a script, each refused as unavailable."""
    for call in (
        store.command("SET", "b", "canary"),
        store.batch([("GET", "b"), ("SET", "b", "canary")]),
        store.run(Script.HOLD_LOCK, ["b"], ["canary", 1000]),
    ):
        with pytest.raises(StoreUnavailable) as refused:
            await call
        assert "canary" not in str(refused.value) + str(refused.value.log)


async def test_a_full_store_is_unavailable(redis_url: str) -> None:
    store = Store(redis_url)
    await store.command("CONFIG", "SET", "maxmemory", "1")
    await every_way(store)
    await store.close()


async def test_a_replica_is_unavailable(redis_url: str) -> None:
    store = Store(redis_url)
    await store.command("REPLICAOF", "127.0.0.1", "1")
    await every_way(store)
    await store.close()


async def test_a_refused_command_of_a_batch_does_not_tell_what_it_was_to_store(
    store: Store,
) -> None:
    await store.command("SET", "text", "x")
    with pytest.raises(Exception, match="WRONGTYPE") as refused:
        await store.batch([("HSET", "text", "field", "canary")])
    assert "canary" not in repr(refused.value)


async def test_more_calls_than_connections_wait_their_turn(store: Store) -> None:
    calls = 20 * AT_ONCE
    counts = await asyncio.gather(*(store.command("INCR", "calls") for _ in range(calls)))
    assert sorted(counts) == list(range(1, calls + 1))
