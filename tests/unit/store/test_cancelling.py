"""A cancelled call ends, wherever the cancellation hits it."""

from __future__ import annotations

import asyncio

from postroom.clock import SystemClock
from postroom.store.connection import Store
from postroom.store.wake import Wake


async def test_a_call_cancelled_while_it_connects_is_cancelled(store_url: str) -> None:
    for steps in range(40):
        store = Store(store_url)
        call = asyncio.create_task(store.command("PING"))
        for _ in range(steps):
            await asyncio.sleep(0)
        was_over = call.done()
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled() or was_over, f"swallowed after {steps} steps"
        await store.close()


async def test_a_listener_cancelled_while_it_connects_ends(store_url: str) -> None:
    for steps in range(40):
        store = Store(store_url)
        ears = asyncio.create_task(Wake(store, SystemClock()).run())
        for _ in range(steps):
            await asyncio.sleep(0)
        ears.cancel()
        done, _ = await asyncio.wait([ears], timeout=5)
        assert done, f"still listening after {steps} steps"
        await store.close()
