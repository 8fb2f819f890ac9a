"""What Postroom costs, measured here: `make bench` (`python -m bench.run [NAME ...]`).

Prints one JSON line per figure. Nothing here is asserted: machines differ and are noisy; compare
medians of several runs (`--runs N` prints them, too). Needs Dovecot (Debian:
dovecot-imapd dovecot-lmtpd).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller

from bench.figures import report, report_medians, spread
from bench.memory import Memory, memory_by_kind, total
from bench.micro import bench_queue, bench_rpc
from bench.rawimap import raw_imap
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.providers.imap.summary import summary_items
from tests.fakes.dovecot import PASSWORD, Dovecot, free_port, message, running_dovecot
from tests.integration.product import (
    Product,
    account_body,
    eventually,
    register,
    running_product,
)

INBOX_MESSAGES = 10_000
LIST_CALLS = 300
APPENDS = 40
SUBMISSIONS = 300
SUBMIT_CONCURRENCY = 8
IDLE_ACCOUNTS = 200
REGISTER_CONCURRENCY = 8
# Buffers of the first sync are given back within this time.
SETTLE_S = 5


def fill_inbox(dovecot: Dovecot, user: str, count: int) -> None:
    """Write `count` messages straight into the user's Maildir."""
    dovecot.client(user).logout()
    directory = dovecot.directory / "mail" / user / "Maildir" / "cur"
    directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        raw = message(f"Message {number}", message_id=f"<{number}@bench.example>")
        path = directory / f"{1_700_000_000 + number}.{number}.bench:2,{'S' if number % 2 else ''}"
        path.write_bytes(raw)
    owner = (dovecot.directory / "mail").stat()
    for path in (dovecot.directory / "mail" / user).rglob("*"):
        os.chown(path, owner.st_uid, owner.st_gid)
    client = dovecot.client(user)
    client.select("INBOX")
    client.logout()


async def bench_start() -> None:
    """From the command to the first healthy answer, and the idle process tree."""
    began = time.perf_counter()
    async with running_product(EENGINE_WORKERS="4") as product:
        # running_product also issues a token; take that part off again.
        token_began = time.perf_counter()
        product.issue_token()
        token_s = time.perf_counter() - token_began
        report("start_to_health", seconds=token_began - began - token_s)
        await asyncio.sleep(3)
        kinds = await memory_by_kind(product)
        whole = total(kinds)
        report("idle_pss", mib=whole.pss / 1024, processes=whole.processes)
        for kind, memory in sorted(kinds.items()):
            report(f"idle_pss_{kind}", mib=memory.pss / 1024, processes=memory.processes)


async def bench_accounts() -> None:
    """What one idle account costs: INBOX in IDLE at Dovecot, five mailboxes, plain connections."""
    with running_dovecot() as dovecot:
        async with running_product(EENGINE_WORKERS="4") as product:
            await register(product, "warm", dovecot)
            await asyncio.sleep(SETTLE_S)
            before = await memory_by_kind(product)
            began = time.perf_counter()
            await _register_many(product, dovecot)
            connected = time.perf_counter() - began
            await asyncio.sleep(SETTLE_S)
            after = await memory_by_kind(product)
    report(
        "idle_account",
        accounts=IDLE_ACCOUNTS,
        connected_per_s=IDLE_ACCOUNTS / connected,
        pss_kib=(total(after).pss - total(before).pss) / IDLE_ACCOUNTS,
        **_grown(before, after),
    )


def _grown(before: dict[str, Memory], after: dict[str, Memory]) -> dict[str, float]:
    workers = (before["imap"], after["imap"])
    return {
        "worker_pss_kib": (workers[1].pss - workers[0].pss) / IDLE_ACCOUNTS,
        "worker_rss_kib": (workers[1].rss - workers[0].rss) / IDLE_ACCOUNTS,
    }


async def _register_many(product: Product, dovecot: Dovecot) -> None:
    names = [f"idle-{number}" for number in range(IDLE_ACCOUNTS)]
    limit = asyncio.Semaphore(REGISTER_CONCURRENCY)

    async def one(name: str) -> None:
        async with limit:
            await product.ask("POST", "/v1/account", account_body(name, dovecot))

    async def is_connected(name: str) -> bool:
        return bool((await product.ask("GET", f"/v1/account/{name}"))["state"] == "connected")

    await asyncio.gather(*(one(name) for name in names))
    for name in names:
        await eventually(partial(is_connected, name), 120)


async def bench_sync() -> None:
    """First full-index sync of one large INBOX, then the index's size in the store."""
    with running_dovecot() as dovecot:
        fill_inbox(dovecot, "big", INBOX_MESSAGES)
        async with running_product() as product:
            await register(product, "warm", dovecot)
            began = time.perf_counter()
            await register(product, "big", dovecot)
            seconds = time.perf_counter() - began
            report("first_sync", messages=INBOX_MESSAGES, seconds=seconds,
                   messages_per_s=INBOX_MESSAGES / seconds)  # fmt: skip
            async with raw_imap(dovecot.port, "big") as raw:
                seconds = await raw.timed("UID FETCH 1:* (UID FLAGS)")
            report("first_sync_raw_fetch", messages=INBOX_MESSAGES, seconds=seconds,
                   messages_per_s=INBOX_MESSAGES / seconds)  # fmt: skip
            await report_index_size(product)
            await bench_list(product, dovecot)


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


@asynccontextmanager
async def _webhooks_arriving(product: Product) -> AsyncIterator[dict[str, float]]:
    """When each Message-ID was announced, filled by a receiver that the product is told of."""
    arrived: dict[str, float] = {}

    async def receive(request: web.Request) -> web.Response:
        body = await request.json()
        if body["event"] == "messageNew":
            arrived[body["data"]["messageId"]] = time.perf_counter()
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        await product.ask("POST", "/v1/settings", {
            "webhooksEnabled": True, "webhookEvents": ["messageNew"],
            "webhooks": f"http://127.0.0.1:{port}/"})  # fmt: skip
        yield arrived
    finally:
        await runner.cleanup()


async def bench_webhook() -> None:
    """From the end of the delivery at the mail server to the webhook's arrival.

    At Dovecot beside a raw IDLE, because Dovecot itself tells late; and at our
    own demo server, which tells at once.
    """
    async with running_product() as product, _webhooks_arriving(product) as arrived:
        with running_dovecot() as dovecot:
            await _webhooks_at_dovecot(product, dovecot, arrived)
        await _webhooks_at_demo(product, arrived)


async def _webhooks_at_dovecot(
    product: Product, dovecot: Dovecot, arrived: dict[str, float]
) -> None:
    await register(product, "hook", dovecot)
    client = await asyncio.to_thread(dovecot.client, "hook")
    took = []
    for number in range(APPENDS):
        name = f"<hook-{number}@bench.example>"
        await asyncio.to_thread(client.append, "INBOX", "", "", message(message_id=name))
        done = time.perf_counter()
        await eventually(partial(arrived.get, name))
        took.append(arrived[name] - done)
    client.logout()
    report("append_to_webhook", messages=APPENDS, **spread(took))
    await _raw_idle(dovecot)


async def _raw_idle(dovecot: Dovecot) -> None:
    """The same without the product: another mailbox, which nobody else has open."""
    client = await asyncio.to_thread(dovecot.client, "raw")
    took, told = [], list[float]()
    async with raw_imap(dovecot.port, "raw") as raw:
        idling = asyncio.create_task(raw.idle(told))
        for _ in range(APPENDS):
            await asyncio.to_thread(client.append, "INBOX", "", "", message())
            done = time.perf_counter()
            await eventually(told.__len__)
            took.append(told.pop() - done)
        idling.cancel()
    client.logout()
    report("append_to_raw_idle", messages=APPENDS, **spread(took))


async def _webhooks_at_demo(product: Product, arrived: dict[str, float]) -> None:
    mail = MailStore()
    mail.add_account("pushed", PASSWORD)
    server = ImapServer(mail)
    port = await server.start()
    body = account_body("pushed", Dovecot(product.directory, port, 0))
    await product.ask("POST", "/v1/account", body)

    async def is_connected() -> bool:
        return bool((await product.ask("GET", "/v1/account/pushed"))["state"] == "connected")

    await eventually(is_connected)
    took = []
    for number in range(APPENDS):
        name = f"<pushed-{number}@bench.example>"
        done = time.perf_counter()
        mail.deliver("pushed", message(message_id=name))
        await eventually(partial(arrived.get, name))
        took.append(arrived[name] - done)
    await server.stop()
    report("pushed_to_webhook", messages=APPENDS, **spread(took))


class Sink:
    """Counts what arrives."""

    count = 0

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802 - aiosmtpd's hook
        self.count += 1
        return "250 OK"


async def bench_submit() -> None:
    """Submissions accepted and delivered per second."""
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        with running_dovecot() as dovecot:
            async with running_product(EENGINE_SUBMIT_QC="4") as product:
                await register(product, "sender", dovecot, controller.port)
                await _submit_all(product, sink)
    finally:
        controller.stop()


async def _submit_all(product: Product, sink: Sink) -> None:
    body = {"to": [{"address": "x@example.com"}], "subject": "Hello", "text": "Hi", "copy": False}
    limit = asyncio.Semaphore(SUBMIT_CONCURRENCY)

    async def one() -> None:
        async with limit:
            await product.ask("POST", "/v1/account/sender/submit", body)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(SUBMISSIONS):
            group.create_task(one())
    accepted = time.perf_counter() - began
    await eventually(lambda: sink.count >= SUBMISSIONS, 120)
    delivered = time.perf_counter() - began
    report("submit", messages=SUBMISSIONS, accepted_per_s=SUBMISSIONS / accepted,
           delivered_per_s=SUBMISSIONS / delivered)  # fmt: skip


BENCHES: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
    "start": bench_start,
    "sync": bench_sync,
    "webhook": bench_webhook,
    "submit": bench_submit,
    "accounts": bench_accounts,
    "rpc": bench_rpc,
    "queue": bench_queue,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--runs", type=int, default=1, help="how often each is run")
    chosen = parser.parse_args()
    for name in chosen.names or list(BENCHES):
        for _ in range(chosen.runs):
            asyncio.run(BENCHES[name]())
        report_medians()


if __name__ == "__main__":
    main()
