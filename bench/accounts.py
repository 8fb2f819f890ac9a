"""A thousand accounts: from cold to connected, and what they cost while nothing happens.

Every account has an INBOX of 20 messages and Dovecot's four other mailboxes. "Cold" is the product
started again with the accounts registered: the clock runs from the command to the last account in
state `connected` with a round of its own start behind it. The raw figure beside it is the same
dialogue by hand: as many sessions, 20 logins at a time and process, nothing parsed, nothing kept.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import ssl
import time
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from bench.figures import report
from bench.mailstores import fill_inboxes, roomy_dovecot
from bench.memory import Memory, cpu_by_kind, memory_by_kind, total
from bench.rawimap import RawImap, raw_login
from postroom.clock import iso
from tests.fakes.dovecot import Dovecot
from tests.integration.product import Product, account_body, running_product

ACCOUNTS = 1000
FEW = 4
MESSAGES = 20
WORKERS = 4
REGISTER_CONCURRENCY = 16
# Like the product's budget for one host, per process.
RAW_LOGINS_AT_ONCE = 20
CONNECTED_WITHIN_S = 300.0
POLL_S = 0.1
# Buffers of the first sync are given back within this time.
SETTLE_S = 15.0
IDLE_WINDOW_S = 60.0


async def bench_accounts() -> None:
    """Plain connections."""
    await _bench("plain", has_tls=False)


async def bench_accounts_tls() -> None:
    """The same over TLS from the first byte."""
    await _bench("tls", has_tls=True)


async def _bench(word: str, *, has_tls: bool) -> None:
    names = [f"idle-{number:04d}" for number in range(ACCOUNTS)]
    with roomy_dovecot(has_tls=has_tls) as dovecot:
        fill_inboxes(dovecot, names, MESSAGES)
        port = dovecot.tls_port if has_tls else dovecot.port
        raw_s = await asyncio.to_thread(_raw_sessions, port, names, has_tls)
        report(f"raw_sessions_{word}", sessions=len(names), processes=WORKERS, seconds=raw_s)
        async with running_product(EENGINE_WORKERS=str(WORKERS), EENGINE_LOG_LEVEL="info") as one:
            await _measure(one, word, [_body(name, dovecot, has_tls=has_tls) for name in names])


def _body(name: str, dovecot: Dovecot, *, has_tls: bool) -> dict[str, Any]:
    body = account_body(name, dovecot)
    if has_tls:
        body["imap"] |= {"port": dovecot.tls_port, "secure": True}
    return body


async def _measure(product: Product, word: str, bodies: list[dict[str, Any]]) -> None:
    few = bodies[:FEW]
    await _register(product, few)
    await _restart(product, few)
    await asyncio.sleep(SETTLE_S)
    before = await memory_by_kind(product)
    cpu_before = await _idle_cpu(product)

    began = time.perf_counter()
    await _register(product, bodies[FEW:])
    registered_s = time.perf_counter() - began
    report(f"registered_{word}", accounts=len(bodies) - FEW, seconds=registered_s)
    await asyncio.sleep(SETTLE_S)
    _report_memory(f"pss_registered_{word}", before, await memory_by_kind(product))

    report(f"cold_{word}", accounts=len(bodies), seconds=await _restart(product, bodies))
    await asyncio.sleep(SETTLE_S)
    _report_memory(f"pss_{word}", before, await memory_by_kind(product))

    cpu = await _idle_cpu(product)
    report(
        f"idle_cpu_{word}",
        accounts=len(bodies),
        window_s=IDLE_WINDOW_S,
        percent_of_a_core=cpu["total"],
        percent_of_a_core_with_few=cpu_before["total"],
        **{kind: percent for kind, percent in cpu.items() if kind != "total"},
    )
    report(f"round_cpu_{word}", accounts=len(bodies), **await _round_cost(product, bodies))


def _report_memory(name: str, before: dict[str, Memory], after: dict[str, Memory]) -> None:
    accounts = ACCOUNTS - FEW
    kinds = {
        f"{kind}_kib": (after[kind].pss - before[kind].pss) / accounts
        for kind in sorted(before.keys() & after.keys())
    }
    whole = (total(after).pss - total(before).pss) / accounts
    report(name, accounts=accounts, pss_kib=whole, **kinds)


async def _restart(product: Product, bodies: list[dict[str, Any]]) -> float:
    """Stop, start; seconds from the command until every account is connected anew."""
    await product.stop()
    began = time.perf_counter()
    since = iso(time.time_ns() // 1_000_000)
    await product.start()
    await _connected(product, bodies, since)
    return time.perf_counter() - began


async def _register(product: Product, bodies: list[dict[str, Any]]) -> None:
    """Register the accounts and wait until all are connected."""
    gate = asyncio.Semaphore(REGISTER_CONCURRENCY)

    async def one(body: dict[str, Any]) -> None:
        async with gate:
            await product.ask("POST", "/v1/account", body)

    await asyncio.gather(*(one(body) for body in bodies))
    await _connected(product, bodies, "")


async def _connected(product: Product, bodies: list[dict[str, Any]], since: str) -> None:
    """Wait until every account is connected by a round that ended after `since`."""
    store = product.store()
    waiting = [body["account"] for body in bodies]
    deadline = time.monotonic() + CONNECTED_WITHIN_S
    try:
        while waiting:
            assert time.monotonic() < deadline, f"{len(waiting)} accounts are not connected"
            await asyncio.sleep(POLL_S)
            rows = await store.batch(
                [("HMGET", store.keys.account(name), "state", "syncTime") for name in waiting]
            )
            waiting = [
                name
                for name, (state, synced) in zip(waiting, rows, strict=True)
                if state != b"connected" or (synced or b"").decode() <= since
            ]
    finally:
        await store.close()


async def _idle_cpu(product: Product) -> dict[str, float]:
    """Percent of one core, by kind and in all, while nothing happens."""
    before = await cpu_by_kind(product)
    await asyncio.sleep(IDLE_WINDOW_S)
    after = await cpu_by_kind(product)
    used = {kind: 100 * (after[kind] - before[kind]) / IDLE_WINDOW_S for kind in before}
    return used | {"total": sum(used.values())}


async def _round_cost(product: Product, bodies: list[dict[str, Any]]) -> dict[str, float]:
    """CPU of one round of all accounts, as each makes one in 15 minutes by itself."""
    since = iso(time.time_ns() // 1_000_000)
    before = await cpu_by_kind(product)
    gate = asyncio.Semaphore(REGISTER_CONCURRENCY)

    async def one(name: str) -> None:
        async with gate:
            await product.ask("PUT", f"/v1/account/{name}/sync", {"sync": True})

    await asyncio.gather(*(one(body["account"]) for body in bodies))
    await _connected(product, bodies, since)
    after = await cpu_by_kind(product)
    used_s = sum(after[kind] - before[kind] for kind in ("imap", "store"))
    return {
        "ms_per_account": 1000 * used_s / len(bodies),
        "percent_of_a_core_every_15_min": 100 * used_s / 900,
    }


def _raw_sessions(port: int, names: list[str], has_tls: bool) -> float:
    """Seconds until all sessions are in IDLE, from as many processes as the product has workers."""
    context = multiprocessing.get_context("spawn")
    shares = [names[at::WORKERS] for at in range(WORKERS)]
    ready, leave = context.Barrier(WORKERS + 1), context.Barrier(WORKERS + 1)
    done = context.Barrier(WORKERS + 1)
    processes = [
        context.Process(target=_raw_process, args=(port, share, has_tls, ready, done, leave))
        for share in shares
    ]
    for process in processes:
        process.start()
    ready.wait()
    began = time.perf_counter()
    done.wait()
    took_s = time.perf_counter() - began
    leave.wait()
    for process in processes:
        process.join()
    return took_s


def _raw_process(
    port: int, names: list[str], has_tls: bool, ready: Any, done: Any, leave: Any
) -> None:
    async def work() -> None:
        context = ssl.create_default_context() if has_tls else None
        if context is not None:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        gate = asyncio.Semaphore(RAW_LOGINS_AT_ONCE)
        async with AsyncExitStack() as stack:

            async def one(name: str) -> None:
                async with gate:
                    await _dialogue(await stack.enter_async_context(raw_login(port, name, context)))

            await asyncio.to_thread(ready.wait)
            await asyncio.gather(*(one(name) for name in names))
            await asyncio.to_thread(done.wait)
            await asyncio.to_thread(leave.wait)

    uvloop.run(work())


async def _dialogue(raw: RawImap) -> None:
    """What any client has to ask before it may idle."""
    await raw.ask('LIST "" "*" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ))')
    await raw.ask("EXAMINE INBOX")
    await raw.ask("FETCH 1:* (UID FLAGS)")
    await raw.begin_idle()
