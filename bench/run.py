"""What Postroom costs, measured here: `make bench` (`python -m bench.run [NAME ...]`).

Prints one JSON line per figure. Nothing here is asserted: machines differ and are noisy; compare
medians of several runs (`--runs N` prints them, too). Needs Dovecot (Debian:
dovecot-imapd dovecot-lmtpd).
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from aiohttp import web
from aiosmtpd.controller import Controller

from bench.accounts import bench_accounts, bench_accounts_tls
from bench.figures import report, report_medians, spread
from bench.memory import memory_by_kind, total
from bench.micro import bench_queue, bench_rpc
from bench.parse import bench_parse
from bench.rawimap import raw_imap
from bench.stages import bench_stages
from bench.sync import bench_sync
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from tests.fakes.dovecot import PASSWORD, Dovecot, free_port, message, running_dovecot
from tests.integration.product import (
    Product,
    account_body,
    eventually,
    register,
    running_product,
)

APPENDS = 40
SUBMISSIONS = 300
SUBMIT_CONCURRENCY = 8


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
    "stages": bench_stages,
    "webhook": bench_webhook,
    "submit": bench_submit,
    "accounts": bench_accounts,
    "accounts_tls": bench_accounts_tls,
    "rpc": bench_rpc,
    "queue": bench_queue,
    "parse": bench_parse,
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
