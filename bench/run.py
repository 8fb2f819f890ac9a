"""What Postroom costs, measured here: `make bench` (`python -m bench.run [NAME ...]`).

Prints one JSON line per figure. Nothing here is asserted: machines differ and are noisy; compare
medians of several runs (`--runs N`). Needs Dovecot (Debian: dovecot-imapd dovecot-lmtpd).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web
from aiosmtpd.controller import Controller

from tests.fakes.dovecot import Dovecot, free_port, message, running_dovecot
from tests.integration.product import Product, eventually, register, running_product

INBOX_MESSAGES = 10_000
LIST_CALLS = 300
APPENDS = 60
SUBMISSIONS = 300
SUBMIT_CONCURRENCY = 8


def report(name: str, **figures: float | int | str) -> None:
    """Print one figure line."""
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({"bench": name, **rounded}), flush=True)


def spread(seconds: list[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": 1000 * statistics.median(ordered),
        "p95_ms": 1000 * ordered[int(len(ordered) * 0.95) - 1],
    }


def tree_pss_kib(root: int) -> tuple[int, int]:
    """Proportional set size of a process and all its descendants: (KiB, processes)."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    tree, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in tree} - tree
        tree |= more
        grew = bool(more)
    total = 0
    for pid in tree:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:")
    return total, len(tree)


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
        assert product.process is not None
        await asyncio.sleep(3)
        kib, processes = tree_pss_kib(product.process.pid)
        report("idle_pss", mib=kib / 1024, processes=processes)


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
            await report_index_size(product)
            await bench_list(product)


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


async def bench_list(product: Product) -> None:
    """The newest 20 messages of the large INBOX over REST."""
    took = []
    for _ in range(LIST_CALLS):
        began = time.perf_counter()
        await product.ask("GET", "/v1/account/big/messages?path=INBOX")
        took.append(time.perf_counter() - began)
    report("list", calls=LIST_CALLS, page=20, **spread(took))


async def bench_webhook() -> None:
    """From the end of APPEND at the mail server to the webhook's arrival."""
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
    with running_dovecot() as dovecot:
        async with running_product() as product:
            await product.ask("POST", "/v1/settings", {
                "webhooksEnabled": True, "webhookEvents": ["messageNew"],
                "webhooks": f"http://127.0.0.1:{port}/"})  # fmt: skip
            await register(product, "hook", dovecot)
            client = await asyncio.to_thread(dovecot.client, "hook")
            took = []
            for number in range(APPENDS):
                name = f"<hook-{number}@bench.example>"
                raw = message(message_id=name)
                await asyncio.to_thread(client.append, "INBOX", "", "", raw)
                done = time.perf_counter()
                await eventually(lambda name=name: name in arrived)
                took.append(arrived[name] - done)
            client.logout()
            report("append_to_webhook", messages=APPENDS, **spread(took))
    await runner.cleanup()


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


BENCHES: dict[str, Callable[[], Awaitable[None]]] = {
    "start": bench_start,
    "sync": bench_sync,
    "webhook": bench_webhook,
    "submit": bench_submit,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--runs", type=int, default=1, help="how often each is run")
    chosen = parser.parse_args()
    for name in chosen.names or list(BENCHES):
        for _ in range(chosen.runs):
            asyncio.run(BENCHES[name]())


if __name__ == "__main__":
    main()
