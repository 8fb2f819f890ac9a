"""Two nodes on one store: either answers for every account, and the one left takes over."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

from tests.fakes.dovecot import Dovecot, message
from tests.fakes.webhook_receiver import webhook_receiver
from tests.integration.hearing import announced, heard, hook_to
from tests.integration.product import Product, eventually, register, running_product

ACCOUNTS = 6
# A silent owner is believed for 30 s (contract U1); the rest is noise.
TAKE_OVER_S = 90.0


async def kill_all(product: Product) -> None:
    """Kill -9 every process of a node at once, as a power cut does."""
    assert product.process is not None
    pids = [m["pid"] for m in await product.members() if m["node"] in product.log()]
    product.process.kill()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    product.process.wait(5)


async def test_the_node_that_is_left_takes_the_accounts_of_the_other(
    dovecot: Dovecot, redis_url: str
) -> None:
    names = [f"node-{number}" for number in range(ACCOUNTS)]
    async with (
        running_product(EENGINE_REDIS=redis_url) as first,
        running_product(EENGINE_REDIS=redis_url) as second,
        webhook_receiver() as hooks,
    ):
        await hook_to(first, hooks)
        for name in names:
            await register(first, name, dovecot)
        for name in names:
            answer = await second.ask("GET", f"/v1/account/{name}/messages?path=INBOX")
            assert answer["total"] == 0
        await kill_all(first)
        for name in names:
            raw = message(message_id=f"<{name}@left>")
            await asyncio.to_thread(dovecot.deliver, name, raw)
        expected = Counter({f"<{name}@left>": 1 for name in names})
        await eventually(lambda: announced(hooks, "messageNew") >= expected, TAKE_OVER_S)
        assert announced(hooks, "messageNew") == expected
        for name in names:
            answer = await second.ask("GET", f"/v1/account/{name}/messages?path=INBOX")
            assert answer["total"] == 1


async def test_a_node_that_stops_hands_its_accounts_over_at_once(
    dovecot: Dovecot, redis_url: str
) -> None:
    async with (
        running_product(EENGINE_REDIS=redis_url) as first,
        running_product(EENGINE_REDIS=redis_url) as second,
        webhook_receiver() as hooks,
    ):
        await hook_to(first, hooks)
        for number in range(ACCOUNTS):
            await register(first, f"hand-{number}", dovecot)
        assert await first.stop() == 0
        raw = message(message_id="<over@hand>")
        await asyncio.to_thread(dovecot.deliver, "hand-3", raw)
        await heard(hooks, "messageNew")
        assert announced(hooks, "messageNew") == Counter({"<over@hand>": 1})

        async def are_all_connected() -> bool:
            listed = await second.ask("GET", "/v1/accounts?state=connected")
            return bool(listed["total"] == ACCOUNTS)

        await eventually(are_all_connected)
