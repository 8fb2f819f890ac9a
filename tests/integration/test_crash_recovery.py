"""Kill -9 of the workers in the middle of the journeys: nothing lost, nothing announced twice.

A webhook delivery may repeat, with the same event id; a mail may not.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tests.fakes.dovecot import Dovecot, message
from tests.fakes.webhook_receiver import webhook_receiver
from tests.integration.hearing import announced, arrived, hook_to, running_sink
from tests.integration.product import eventually, register, running_product

MAILS = 40
SUBMISSIONS = 30


@pytest.mark.parametrize("victim", ["imap", "webhooks"])
async def test_killed_worker_loses_and_doubles_no_announcement(
    dovecot: Dovecot, victim: str
) -> None:
    user = f"crash-{victim}"
    async with running_product() as product, webhook_receiver() as hooks:
        await hook_to(product, hooks)
        await register(product, user, dovecot)
        for number in range(MAILS):
            raw = message(message_id=f"<{number}@crash>")
            await asyncio.to_thread(dovecot.deliver, user, raw)
            if number % 10 == 5:
                if victim == "imap":
                    await product.kill_owner(user)
                else:
                    await product.kill_worker(victim)
        expected = {f"<{number}@crash>" for number in range(MAILS)}
        await eventually(lambda: set(announced(hooks, "messageNew")) >= expected, at_most_s=90)
        counted = announced(hooks, "messageNew")
        assert counted == Counter(dict.fromkeys(expected, 1))


async def test_killed_submit_worker_sends_and_announces_each_mail_once(dovecot: Dovecot) -> None:
    user = "crash-submit"
    async with running_product() as product, webhook_receiver() as hooks, running_sink() as sink:
        await hook_to(product, hooks)
        await register(product, user, dovecot, sink.port)
        names = set()
        for number in range(SUBMISSIONS):
            body = {"to": [{"address": "x@example.com"}], "subject": f"{number}", "text": "Hi"}
            answer = await product.ask("POST", f"/v1/account/{user}/submit", body)
            names.add(answer["messageId"])
            if number % 10 == 5:
                await product.kill_worker("submit")
        await eventually(lambda: set(announced(hooks, "messageSent")) >= names, at_most_s=100)
        assert announced(hooks, "messageSent") == Counter(dict.fromkeys(names, 1))
        assert arrived(sink) == Counter(dict.fromkeys(names, 1))


async def test_killed_product_goes_on_where_it_was(dovecot: Dovecot) -> None:
    """The whole tree is killed -9, mail arrives meanwhile, and the next start announces it."""
    user = "crash-all"
    async with running_product() as product, webhook_receiver() as hooks:
        await hook_to(product, hooks)
        await register(product, user, dovecot)
        assert product.process is not None
        product.process.kill()
        product.process.wait(5)
        await asyncio.to_thread(dovecot.deliver, user, message(message_id="<meanwhile@crash>"))
        await product.start()
        await eventually(lambda: announced(hooks, "messageNew")["<meanwhile@crash>"] == 1)
