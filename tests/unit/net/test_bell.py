"""The bell: a flag that tells when it is set."""

from __future__ import annotations

import asyncio

import pytest

from postroom.net.bell import Bell


async def test_whoever_waits_goes_on_when_it_rings() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    bell.set()
    await asyncio.gather(*waiting)
    await bell.wait()
    bell.clear()
    assert not bell.is_set()


async def test_a_cancelled_wait_listens_no_more() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert bell._listeners == ()
    bell.set()


def test_listeners_are_called_at_each_ring_inside_their_context_only() -> None:
    bell, rings = Bell(), list[str]()
    with bell.heard_by(lambda: rings.append("outer")):
        bell.set()
        with bell.heard_by(lambda: rings.append("inner")):
            bell.set()
        bell.set()
    bell.set()
    assert rings == ["outer", "outer", "inner", "outer"]
