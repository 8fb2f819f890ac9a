"""Bad input and faults, met over the real interface: a clear answer, and recovery by itself."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes.dovecot import Dovecot, free_port, message
from tests.fakes.webhook_receiver import webhook_receiver
from tests.integration.hearing import announced, heard, hook_to, named
from tests.integration.product import (
    Product,
    account_body,
    eventually,
    register,
    running_product,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def product() -> AsyncIterator[Product]:
    async with running_product() as started:
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def state_of(product: Product, account: str) -> str:
    return str((await product.ask("GET", f"/v1/account/{account}"))["state"])


async def test_unknown_account_is_a_404_with_its_code(product: Product) -> None:
    for path in ("/v1/account/nobody", "/v1/account/nobody/messages?path=INBOX"):
        reply = await product.call("GET", path)
        assert (reply.status, reply.json["code"]) == (404, "AccountNotFound")


async def test_bad_body_names_every_wrong_field_and_changes_nothing(product: Product) -> None:
    body = {"account": "bad", "name": 5, "imap": {"host": "h", "port": 99999}, "nonsense": 1}
    reply = await product.call("POST", "/v1/account", body)
    assert reply.status == 400
    assert reply.json["message"] == "Invalid input"
    keys = {problem["key"] for problem in reply.json["fields"]}
    assert {"imap.port", "nonsense"} <= keys
    assert (await product.call("GET", "/v1/account/bad")).status == 404


async def test_bad_token_is_401_and_wrong_scope_403(product: Product) -> None:
    for header in ("Bearer " + "0" * 64, "Bearer short", "Basic eDp5"):
        reply = await product.call("GET", "/v1/accounts", headers={"Authorization": header})
        assert reply.status == 401
    narrow = product.command("tokens", "issue", "-d", "narrow", "-s", "metrics")
    headers = {"Authorization": f"Bearer {narrow}"}
    reply = await product.call("GET", "/v1/accounts", headers=headers)
    assert (reply.status, reply.json["message"]) == (403, "Unauthorized scope")
    assert reply.json["requestedScope"] == "api"


async def test_wrong_password_is_a_state_an_event_and_a_503(
    product: Product, dovecot: Dovecot
) -> None:
    async with webhook_receiver() as hooks:
        await hook_to(product, hooks)
        body = account_body("locked-out", dovecot)
        body["imap"]["auth"]["pass"] = "hunter2-wrong"
        await product.ask("POST", "/v1/account", body)
        event = await heard(hooks, "authenticationError")
        assert event.json["account"] == "locked-out"
        assert b"hunter2-wrong" not in event.body
        shown = await product.ask("GET", "/v1/account/locked-out")
        assert shown["state"] == "authenticationError"
        assert shown["lastError"]["serverResponseCode"] == "AUTHENTICATIONFAILED"
        assert shown["imap"]["auth"]["pass"] == "******"
        reply = await product.call("GET", "/v1/account/locked-out/messages?path=INBOX")
        assert reply.status == 503
        assert reply.json["code"] == "AuthenticationFails"
        assert reply.json["state"] == "authenticationError"
        assert "hunter2-wrong" not in product.log_path.read_text()

        fixed = {"imap": {"auth": {"user": "locked-out", "pass": "secret"}, "partial": True}}
        await product.ask("PUT", "/v1/account/locked-out", fixed)
        await heard(hooks, "authenticationSuccess")

        async def is_connected() -> bool:
            return await state_of(product, "locked-out") == "connected"

        await eventually(is_connected)


async def test_server_that_is_away_is_a_connect_error(product: Product, dovecot: Dovecot) -> None:
    async with webhook_receiver() as hooks:
        await hook_to(product, hooks)
        body = account_body("away", dovecot)
        body["imap"]["port"] = free_port()
        await product.ask("POST", "/v1/account", body)
        event = await heard(hooks, "connectError")
        assert event.json["data"]["serverResponseCode"] == "ECONNREFUSED"
        reply = await product.call("GET", "/v1/account/away/mailboxes")
        assert (reply.status, reply.json["code"]) == (503, "ConnectionError")


async def test_self_signed_certificate_is_refused_unless_allowed(
    product: Product, dovecot: Dovecot
) -> None:
    body = account_body("tls", dovecot)
    body["imap"] |= {"port": dovecot.tls_port, "secure": True, "tls": None}
    del body["imap"]["tls"]
    await product.ask("POST", "/v1/account", body)

    async def error() -> Any:
        shown = await product.ask("GET", "/v1/account/tls")
        return shown["state"] == "connectError" and shown["lastError"]["serverResponseCode"]

    assert await eventually(error) == "DEPTH_ZERO_SELF_SIGNED_CERT"
    body["imap"]["tls"] = {"rejectUnauthorized": False}
    await product.ask("PUT", "/v1/account/tls", {"imap": body["imap"]})

    async def is_connected() -> bool:
        return await state_of(product, "tls") == "connected"

    await eventually(is_connected)


async def test_killed_store_is_a_503_and_comes_back_with_everything(
    product: Product, dovecot: Dovecot
) -> None:
    async with webhook_receiver() as hooks:
        await hook_to(product, hooks)
        await register(product, "store-crash", dovecot)
        os.kill(store_pid(product), signal.SIGKILL)
        statuses = set()
        raw = message(message_id="<while@store>")
        await asyncio.to_thread(dovecot.deliver, "store-crash", raw)

        async def is_back() -> bool:
            reply = await product.call("GET", "/v1/account/store-crash")
            statuses.add(reply.status)
            assert reply.status in {200, 503}, reply.body
            if reply.status == 503:
                assert reply.json["code"] == "StoreUnavailable"
            return reply.status == 200

        await eventually(is_back)
        await eventually(lambda: announced(hooks, "messageNew")["<while@store>"])
        assert len(named(hooks, "messageNew")) == 1


def store_pid(product: Product) -> int:
    """The process of the embedded store."""
    assert product.process is not None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == product.process.pid and b"valkey" in command:
            return int(entry.name)
    raise AssertionError("no store process")


async def test_ctrl_c_stops_everything_and_loses_nothing(dovecot: Dovecot) -> None:
    async with running_product() as own:
        await register(own, "stopper", dovecot)
        pids = [m["pid"] for m in await own.members()]
        assert await own.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        await own.start()
        assert await state_of(own, "stopper") in {"init", "connecting", "syncing", "connected"}
