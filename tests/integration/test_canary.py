"""Secrets go in everywhere and come out nowhere (I26); a deleted account leaves no key (I21)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postroom.store.connection import Store
from tests.fakes.dovecot import PASSWORD, Dovecot, message
from tests.fakes.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.integration.hearing import heard, hook_to, named, running_sink
from tests.integration.product import Product, account_body, eventually, running_product
from tests.unit.store.census import keys_of

USER = "canary-mailbox"
SECRET = "canary-service-encryption"
WRONG = "canary-wrong-password"
SIGNING = "canary-signing-key"
AI_KEY = "canary-language-model"
HOOK_LOGIN = "canary-hook-login"
HEADER = "canary-header-value"
OWN_HOOK_LOGIN = "canary-own-hook-login"
OWN_HEADER = "canary-own-header-value"
PROXY_LOGIN = "canary-proxy-login"

# Kept sealed (contract V2); URLs and custom headers are not, the directory is private.
SEALED = (WRONG, SIGNING, AI_KEY)
HIDDEN = (SECRET, *SEALED, HOOK_LOGIN, HEADER, OWN_HOOK_LOGIN, OWN_HEADER, PROXY_LOGIN)


def with_login(url: str, login: str) -> str:
    return url.replace("//", f"//user:{login}@")


class Witness:
    """Calls the product and remembers every answer."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.answers: list[str] = []

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        reply = await self.product.call(method, path, body)
        self.answers.append(f"{method} {path}: {reply.headers} {reply.body!r}")
        return json.loads(reply.body) if reply.body else None


async def dump(store: Store) -> dict[str, str]:
    """Every key with all that it holds, as text."""
    readers = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"set": ("SMEMBERS",),
        b"zset": ("ZRANGE", 0, -1),
        b"list": ("LRANGE", 0, -1),
        b"stream": ("XRANGE", "-", "+"),
    }
    held = {}
    for key in await keys_of(store):
        word, *rest = readers[await store.command("TYPE", key)]
        held[key] = repr(await store.command(word, key, *rest))
    return held


def found(canaries: tuple[str, ...], text: str) -> list[str]:
    return [canary for canary in canaries if canary in text]


@pytest.mark.dovecot
async def test_secrets_show_nowhere_and_a_deleted_account_leaves_no_key(dovecot: Dovecot) -> None:
    async with (
        running_product(EENGINE_SECRET=SECRET) as product,
        webhook_receiver() as hooks,
        running_sink() as sink,
    ):
        ask = Witness(product)
        await set_up(product, ask, hooks)
        await register(ask, account_body(USER, dovecot, sink.port), hooks)
        await use(dovecot, product, ask, hooks)
        token = await ask_for_tokens(product, ask)
        store = product.store()
        try:
            await nothing_shows(product, ask, hooks, store, token)
            shown = product.command("export", "--account", USER)
            assert PASSWORD in shown, "the one place that shows: the operator's own export"
            await delete(ask, hooks, store)
        finally:
            await store.close()


async def set_up(product: Product, ask: Witness, hooks: WebhookReceiver) -> None:
    """Settings with secrets of each kind, written and read back."""
    await hook_to(product, hooks, serviceSecret=SIGNING)
    await ask(
        "POST",
        "/v1/settings",
        {
            "webhooks": with_login(hooks.url, HOOK_LOGIN),
            "webhooksCustomHeaders": [{"key": "X-Canary", "value": HEADER}],
            "openAiAPIKey": AI_KEY,
        },
    )
    query = "webhooks=true&webhooksCustomHeaders=true&openAiAPIKey=true&serviceSecret=true"
    shown = await ask("GET", f"/v1/settings?{query}")
    assert shown["openAiAPIKey"] is True
    assert "******" in shown["webhooks"]


async def register(ask: Witness, body: dict[str, Any], hooks: WebhookReceiver) -> None:
    """The account, first with a wrong password, then with the right one."""
    own = {
        "logs": True,
        "webhooks": with_login(hooks.url, OWN_HOOK_LOGIN),
        "webhooksCustomHeaders": [{"key": "X-Own", "value": OWN_HEADER}],
    }
    server = body["imap"]
    wrong = {**server, "auth": {"user": USER, "pass": WRONG}}
    await ask("POST", "/v1/account", {**body, **own, "imap": wrong})
    await heard(hooks, "authenticationError")
    await ask("GET", f"/v1/account/{USER}")
    await ask("PUT", f"/v1/account/{USER}", {"imap": {"auth": {"pass": ["x", WRONG]}}})
    await ask("PUT", f"/v1/account/{USER}", {"imap": server})

    async def is_connected() -> bool:
        return bool((await ask("GET", f"/v1/account/{USER}"))["state"] == "connected")

    await eventually(is_connected)


async def use(dovecot: Dovecot, product: Product, ask: Witness, hooks: WebhookReceiver) -> None:
    """A mail in, a mail out, a mail that nobody takes, and a proxy with a login."""
    dovecot.deliver(USER, message("For the census"))
    await heard(hooks, "messageNew")
    await ask("GET", f"/v1/account/{USER}/messages?path=INBOX")
    mail = {"to": [{"address": "you@example.org"}], "subject": "Out", "text": "x"}
    await ask("POST", f"/v1/account/{USER}/submit", mail)
    await heard(hooks, "messageSent")
    refused = {"smtp": {"host": "127.0.0.1", "port": 9, "auth": {"user": USER, "pass": WRONG}}}
    await ask("PUT", f"/v1/account/{USER}", refused)
    await ask("POST", f"/v1/account/{USER}/submit", mail)
    await heard(hooks, "messageDeliveryError")
    await ask("PUT", f"/v1/account/{USER}", {"proxy": f"socks5://u:{PROXY_LOGIN}@127.0.0.1:9"})
    for path in (f"/v1/account/{USER}", "/v1/accounts", "/v1/outbox"):
        await ask("GET", path)
    await see_the_log(product, ask)
    await eventually(lambda: named(hooks, "messageDeliveryError"))


async def see_the_log(product: Product, ask: Witness) -> None:
    """The protocol log: of the refused and the right login, and of the proxy that is not there."""

    async def lines() -> list[dict[str, str]]:
        reply = await product.call("GET", f"/v1/logs/{USER}")
        ask.answers.append(f"log: {reply.headers} {reply.body!r}")
        assert PASSWORD not in reply.body.decode()
        return [json.loads(line) for line in reply.body.splitlines()]

    async def is_told() -> bool:
        told = [line["text"] for line in await lines()]
        return all(
            any(text in one for one in told)
            for text in ("AUTHENTICATE PLAIN ******", "AUTHENTICATIONFAILED", "ECONNREFUSED")
        )

    await eventually(is_told)


async def ask_for_tokens(product: Product, ask: Witness) -> str:
    """A token bound to the account, used and listed; its value is shown once, by the first call."""
    body = {"account": USER, "description": "canary", "scopes": ["api"]}
    made = (await product.call("POST", "/v1/tokens", body)).json
    value = str(made["token"])
    await ask("GET", f"/v1/account/{USER}?access_token={value}")
    await ask("GET", f"/v1/account/{USER}/nothing?access_token={value}")
    await ask("GET", f"/v1/tokens?account={USER}")
    await ask("GET", f"/v1/tokens/{value}")
    ask.answers = [answer.replace(f"access_token={value}", "") for answer in ask.answers]
    ask.answers = [answer.replace(f"/v1/tokens/{value}", "") for answer in ask.answers]
    return value


async def nothing_shows(
    product: Product, ask: Witness, hooks: WebhookReceiver, store: Store, token: str
) -> None:
    """Answers, logs and webhook bodies hold no secret; the store none in clear that it seals."""
    everywhere = (*HIDDEN, token, product.token)
    assert [text for text in ask.answers if found(everywhere, text)] == []
    assert found(everywhere, product.log_path.read_text(errors="replace")) == []
    bodies = [one.body.decode() for one in hooks.received]
    assert [body for body in bodies if found(everywhere, body)] == []
    kept = await dump(store)
    sealed = (SECRET, *SEALED, token, product.token)
    assert {key: found(sealed, text) for key, text in kept.items() if found(sealed, text)} == {}


async def delete(ask: Witness, hooks: WebhookReceiver, store: Store) -> None:
    """Delete the account and look for what is left of it."""
    assert any(USER in key for key in await keys_of(store)), "the census can find something"
    await ask("DELETE", f"/v1/account/{USER}")
    await heard(hooks, "accountDeleted")

    async def left() -> list[str]:
        kept = await dump(store)
        # The log is history, capped by itself (store.keys).
        return [k for k, text in kept.items() if USER in k + text and not k.endswith(":events")]

    async def is_clean() -> bool:
        return not await left()

    try:
        await eventually(is_clean, 15)
    except AssertionError:
        assert await left() == []
    assert not [k for k in await keys_of(store) if ":lane" in k or ":outbox" in k]
