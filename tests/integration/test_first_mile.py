"""The whole way through the house, as a new user goes it: register, list, read, hear, answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from email import message_from_bytes, policy
from typing import Any

import pytest

from tests.fakes.dovecot import Dovecot, message
from tests.fakes.smtp_sink import SmtpSink
from tests.fakes.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.integration.hearing import heard, hook_to, named, running_sink
from tests.integration.product import Product, eventually, register, running_product

ATTACHED = b"a,b\r\n1,2\r\n" * 5000


def with_attachment() -> bytes:
    """A message of Ann's with text, HTML and a file."""
    built = message_from_bytes(message("Figures", message_id="<figures@example.com>"),
                               policy=policy.default)  # fmt: skip
    built.set_content("See the figures.\n")
    built.add_alternative("<p>See the <b>figures</b>.</p>", subtype="html")
    built.add_attachment(ATTACHED, maintype="text", subtype="csv", filename="f\u00fcgures.csv")
    return built.as_bytes(policy=policy.SMTP)


async def deliver(dovecot: Dovecot, user: str, raw: bytes) -> None:
    await asyncio.to_thread(dovecot.deliver, user, raw)


async def listed(product: Product, account: str, path: str = "INBOX") -> list[dict[str, Any]]:
    answer = await product.ask("GET", f"/v1/account/{account}/messages?path={path}")
    return list(answer["messages"])


@pytest.fixture(params=["embedded", "shared"])
def store_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """The embedded store, and a store that somebody else runs."""
    if request.param == "embedded":
        return {}
    return {"EENGINE_REDIS": request.getfixturevalue("redis_url")}


async def test_a_mail_is_announced_read_answered_and_gone(
    dovecot: Dovecot, store_environment: dict[str, str]
) -> None:
    user = "mile-" + ("shared" if store_environment else "embedded")
    await deliver(dovecot, user, message("Old mail"))
    async with (
        running_product(EENGINE_SECRET="s3cret", **store_environment) as product,
        webhook_receiver() as hooks,
        running_sink() as sink,
    ):
        await hook_to(product, hooks, serviceSecret="signing key")
        await register(product, user, dovecot, sink.port)

        mailboxes = await product.ask("GET", f"/v1/account/{user}/mailboxes?counters=true")
        by_path = {entry["path"]: entry for entry in mailboxes["mailboxes"]}
        assert by_path["INBOX"]["specialUse"] == "\\Inbox"
        assert by_path["Sent"]["specialUse"] == "\\Sent"
        assert by_path["INBOX"]["status"]["messages"] == 1

        await deliver(dovecot, user, with_attachment())
        new = await heard(hooks, "messageNew")
        body = new.json
        expected = base64.urlsafe_b64encode(
            hmac.digest(b"signing key", new.body, hashlib.sha256)
        ).rstrip(b"=")
        assert new.headers["X-EE-Wh-Signature"] == expected.decode()
        assert new.headers["X-EE-Wh-Event-Id"]
        assert body["account"] == user
        assert body["data"]["subject"] == "Figures"
        assert named(hooks, "messageNew") == [new], "old mail is not announced"

        await read_everything(product, user, body["data"]["id"])
        await change_flags(product, dovecot, hooks, user, body["data"]["id"])
        await reply(product, hooks, sink, user, body["data"]["id"])
        await expunge(dovecot, hooks, user, body["data"]["id"])

        deleted = await product.ask("DELETE", f"/v1/account/{user}")
        assert deleted == {"account": user, "deleted": True}
        await heard(hooks, "accountDeleted")
        assert (await product.call("GET", f"/v1/account/{user}")).status == 404


async def read_everything(product: Product, user: str, name: str) -> None:
    """Detail, text, attachment and source of the message."""
    newest = (await listed(product, user))[0]
    assert newest["id"] == name
    detail = await product.ask("GET", f"/v1/account/{user}/message/{name}?textType=*")
    assert detail["text"]["plain"].strip() == "See the figures."
    assert "<b>figures</b>" in detail["text"]["html"]
    assert detail["messageId"] == "<figures@example.com>"
    assert detail["headers"]["subject"] == ["Figures"]
    (attachment,) = detail["attachments"]
    assert attachment["filename"] == "f\u00fcgures.csv"
    got = await product.call("GET", f"/v1/account/{user}/attachment/{attachment['id']}")
    assert got.status == 200
    assert got.headers["Content-Type"].startswith("text/csv")
    assert got.body == ATTACHED
    source = await product.call("GET", f"/v1/account/{user}/message/{name}/source")
    assert source.headers["Content-Type"].startswith("message/rfc822")
    assert source.body == with_attachment() or b"Subject: Figures" in source.body
    text = await product.ask("GET", f"/v1/account/{user}/text/{detail['text']['id']}")
    assert text["plain"].strip() == "See the figures."


async def change_flags(
    product: Product, dovecot: Dovecot, hooks: WebhookReceiver, user: str, name: str
) -> None:
    """Flags changed over REST, and read elsewhere: both are told."""
    changed = await product.ask(
        "PUT", f"/v1/account/{user}/message/{name}", {"flags": {"add": ["\\Flagged"]}}
    )
    assert "\\Flagged" in changed["flags"]["add"]
    event = await heard(hooks, "messageUpdated")
    assert event.json["data"]["changes"]["flags"]["added"] == ["\\Flagged"]

    def see() -> None:
        client = dovecot.client(user)
        client.select("INBOX")
        client.store("2", "+FLAGS", "\\Seen")
        client.logout()

    await asyncio.to_thread(see)
    event = await heard(hooks, "messageUpdated", number=2)
    assert event.json["data"]["changes"]["flags"]["added"] == ["\\Seen"]
    assert event.json["data"]["id"] == name


async def reply(
    product: Product, hooks: WebhookReceiver, sink: SmtpSink, user: str, name: str
) -> None:
    """A reply with a file: queued, delivered, copied, flagged, announced."""
    answer = await product.ask("POST", f"/v1/account/{user}/submit", {
        "reference": {"message": name, "action": "reply"},
        "text": "Thanks!", "html": "<p>Thanks!</p>",
        "attachments": [{"filename": "r.txt", "content": base64.b64encode(b"data").decode()}],
    })  # fmt: skip
    assert answer["response"] == "Queued for delivery"
    assert answer["reference"] == {"message": name, "success": True}
    sent = await heard(hooks, "messageSent")
    assert sent.json["data"]["queueId"] == answer["queueId"]
    assert sent.json["data"]["messageId"] == answer["messageId"]
    assert sent.json["data"]["envelope"] == {
        "from": f"{user}@example.com", "to": ["ann@example.com"]}  # fmt: skip
    (got,) = sink.messages
    mail = message_from_bytes(got.raw, policy=policy.default)
    assert mail["Subject"] == "Re: Figures"
    assert mail["In-Reply-To"] == "<figures@example.com>"
    assert "<figures@example.com>" in mail["References"]
    assert mail["Message-ID"] == answer["messageId"]
    assert next(iter(mail.iter_attachments())).get_content() == "data"

    async def copied() -> bool:
        return bool(await listed(product, user, "Sent"))

    await eventually(copied)
    (copy,) = await listed(product, user, "Sent")
    assert copy["messageId"] == answer["messageId"]
    assert "\\Seen" in copy["flags"]

    async def is_answered() -> bool:
        return bool((await listed(product, user))[0].get("answered"))

    await eventually(is_answered)
    outbox = await product.ask("GET", "/v1/outbox")
    assert outbox["total"] == 0


async def expunge(dovecot: Dovecot, hooks: WebhookReceiver, user: str, name: str) -> None:
    """Deleted elsewhere."""

    def remove() -> None:
        client = dovecot.client(user)
        client.select("INBOX")
        client.store("2", "+FLAGS", "\\Deleted")
        client.expunge()
        client.logout()

    await asyncio.to_thread(remove)
    event = await heard(hooks, "messageDeleted")
    assert event.json["data"]["id"] == name
