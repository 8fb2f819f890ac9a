"""The first full-index sync of one large INBOX, and what its index takes in the store.

The clock runs from the POST that registers the account to its state `connected`, so it holds every
fixed cost: assignment, connection, login, listing of mailboxes. The account is deleted and
registered again for each run; the mail server's index is warm.
"""

from __future__ import annotations

import asyncio
import time

from bench.figures import report, spread
from bench.mailstores import fill_inboxes, roomy_dovecot
from bench.rawimap import raw_imap
from postroom.providers.imap.summary import summary_items
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot
from tests.integration.product import Product, account_body, register, running_product

INBOX_MESSAGES = 50_000
RUNS = 5
# Between two looks at the state: a small part of what is measured.
POLL_S = 0.002
LIST_CALLS = 300


async def bench_sync() -> None:
    """Runs of the first sync, the raw listing beside each, then size and listing of the last."""
    with roomy_dovecot() as dovecot:
        fill_inboxes(dovecot, ["big"], INBOX_MESSAGES)
        async with running_product(EENGINE_LOG_LEVEL="info") as product:
            await register(product, "warm", dovecot)
            for _ in range(RUNS):
                await product.call("DELETE", "/v1/account/big")
                await _first_sync(product, dovecot)
                await _raw_listing(dovecot)
            await report_index_size(product)
            await bench_list(product, dovecot)


async def _first_sync(product: Product, dovecot: Dovecot) -> None:
    store = product.store()
    try:
        began = time.perf_counter()
        await product.ask("POST", "/v1/account", account_body("big", dovecot))
        while not await _is_connected(store):
            await asyncio.sleep(POLL_S)
        seconds = time.perf_counter() - began
    finally:
        await store.close()
    report("first_sync", messages=INBOX_MESSAGES, seconds=seconds,
           messages_per_s=INBOX_MESSAGES / seconds)  # fmt: skip


async def _is_connected(store: Store) -> bool:
    state = await store.command("HGET", store.keys.account("big"), "state")
    return bool(state == b"connected")


async def _raw_listing(dovecot: Dovecot) -> None:
    async with raw_imap(dovecot.port, "big") as raw:
        seconds = await raw.timed("UID FETCH 1:* (UID FLAGS)")
    report("first_sync_raw_fetch", messages=INBOX_MESSAGES, seconds=seconds,
           messages_per_s=INBOX_MESSAGES / seconds)  # fmt: skip


async def report_index_size(product: Product) -> None:
    """Store bytes per indexed message of the big INBOX."""
    store = product.store()
    try:
        cursor, total = 0, 0
        while True:
            cursor, keys = await store.command("SCAN", cursor, "MATCH", "*index:*", "COUNT", 500)
            sizes = await store.batch([("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys])
            total += sum(size or 0 for size in sizes)
            if int(cursor) == 0:
                break
    finally:
        await store.close()
    report("index_bytes", per_message=total / INBOX_MESSAGES)


async def bench_list(product: Product, dovecot: Dovecot) -> None:
    """The newest 20 messages of the large INBOX over REST, and what Dovecot takes for them."""
    took, raw_took = [], []
    items = summary_items(lambda _capability: False)
    command = f"FETCH {INBOX_MESSAGES - 19}:{INBOX_MESSAGES} {items}"
    async with raw_imap(dovecot.port, "big") as raw:
        for _ in range(LIST_CALLS):
            began = time.perf_counter()
            await product.ask("GET", "/v1/account/big/messages?path=INBOX")
            took.append(time.perf_counter() - began)
            raw_took.append(await raw.timed("NOOP") + await raw.timed(command))
    report("list", calls=LIST_CALLS, page=20, **spread(took))
    report("list_raw_fetch", calls=LIST_CALLS, page=20, **spread(raw_took))
