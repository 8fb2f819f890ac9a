"""Where the time of a first sync goes, for an account with next to nothing in it.

Each figure runs from the POST that registers the account: its answer, then the states as the store
shows them. `connecting` is when a worker has taken the account, `syncing` when it is logged in,
`connected` when every mailbox was looked at. A large mailbox adds its listing to the last.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from itertools import pairwise

from bench.figures import report
from bench.mailstores import fill_inboxes, roomy_dovecot
from postroom.store.connection import Store
from tests.integration.product import Product, account_body, register, running_product

ACCOUNTS = 20
MESSAGES = 20
# Between two accounts, so that none waits for what another one left to do.
PAUSE_S = 0.2
STAGES = ("posted", "connecting", "syncing", "connected")


async def bench_stages() -> None:
    """Accounts one by one; the medians."""
    names = [f"stage-{number}" for number in range(ACCOUNTS)]
    with roomy_dovecot() as dovecot:
        fill_inboxes(dovecot, ["warm", *names], MESSAGES)
        async with running_product(EENGINE_LOG_LEVEL="info") as product:
            await register(product, "warm", dovecot)
            store = product.store()
            try:
                bodies = [account_body(name, dovecot) for name in names]
                runs = [await _stages(product, store, body) for body in bodies]
            finally:
                await store.close()
    medians = {stage: statistics.median(run[stage] for run in runs) for stage in STAGES}
    report("stages", accounts=ACCOUNTS, **{f"{stage}_ms": ms for stage, ms in medians.items()})


async def _stages(product: Product, store: Store, body: dict[str, object]) -> dict[str, float]:
    await asyncio.sleep(PAUSE_S)
    key = store.keys.account(str(body["account"]))
    began = time.perf_counter()
    await product.ask("POST", "/v1/account", body)
    reached = {"posted": 1000 * (time.perf_counter() - began)}
    while "connected" not in reached:
        state = (await store.command("HGET", key, "state")).decode()
        reached.setdefault(state, 1000 * (time.perf_counter() - began))
    # A stage that was over between two looks ended with the one after it.
    for before, stage in reversed(list(pairwise(STAGES))):
        reached.setdefault(before, reached[stage])
    return reached
