"""What the tests hear from the product: webhooks by event, and mail at the SMTP sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any

from tests.fakes.smtp_sink import SmtpSink
from tests.fakes.webhook_receiver import Received, WebhookReceiver
from tests.integration.product import Product, eventually


def named(hooks: WebhookReceiver, event: str) -> list[Received]:
    """The deliveries of one event name, repeats of the same event id left out."""
    by_id = {got.event_id: got for got in hooks.received if got.json["event"] == event}
    return list(by_id.values())


async def heard(hooks: WebhookReceiver, event: str, number: int = 1) -> Received:
    """The `number`-th delivery of an event, waited for."""
    await eventually(lambda: len(named(hooks, event)) >= number)
    return named(hooks, event)[number - 1]


def announced(hooks: WebhookReceiver, event: str) -> Counter[str]:
    """Message-ID -> how many different events announced it."""
    return Counter(got.json["data"]["messageId"] for got in named(hooks, event))


def arrived(sink: SmtpSink) -> Counter[str]:
    """Message-ID -> how often the sink got it."""
    return Counter(str(message_from_bytes(got.raw)["Message-ID"]) for got in sink.messages)


async def hook_to(product: Product, hooks: WebhookReceiver, **more: Any) -> None:
    """Send every event of the product to the receiver."""
    settings = {"webhooksEnabled": True, "webhooks": hooks.url, "webhookEvents": ["*"], **more}
    await product.ask("POST", "/v1/settings", settings)


@asynccontextmanager
async def running_sink() -> AsyncIterator[SmtpSink]:
    """A started SMTP sink."""
    sink = await SmtpSink().start()
    try:
        yield sink
    finally:
        await sink.stop()
