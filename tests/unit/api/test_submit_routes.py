"""Submitting and the outbox over the REST face, on a real store."""

from __future__ import annotations

import base64

import pytest

from tests.unit.api.conftest import Api, register

SUBMIT = "/v1/account/{account}/submit"
TARGET = "/v1/account/jane/submit"
MESSAGE = {"to": {"address": "joe@example.com"}, "subject": "Hi", "text": "Hello"}


async def test_a_message_is_queued_and_waits_in_the_outbox(api: Api) -> None:
    await register(api)
    done = await api("POST", TARGET, MESSAGE, path=SUBMIT)
    assert done.status == 200, done.body
    assert done.json["response"] == "Queued for delivery"
    queue_id = done.json["queueId"]
    listed = await api("GET", "/v1/outbox", path="/v1/outbox")
    assert [entry["queueId"] for entry in listed.json["messages"]] == [queue_id]
    entry = await api("GET", f"/v1/outbox/{queue_id}", path="/v1/outbox/{queueId}")
    assert entry.json["envelope"] == {"from": "jane@example.com", "to": ["joe@example.com"]}
    assert entry.json["progress"] == {"status": "queued"}
    gone = await api("DELETE", f"/v1/outbox/{queue_id}", path="/v1/outbox/{queueId}")
    assert gone.json == {"deleted": True}
    after = await api("GET", f"/v1/outbox/{queue_id}", path="/v1/outbox/{queueId}")
    assert after.status == 404
    again = await api("DELETE", f"/v1/outbox/{queue_id}", path="/v1/outbox/{queueId}")
    assert again.json == {"deleted": False}


async def test_the_idempotency_key_header_repeats_the_answer(api: Api) -> None:
    await register(api)
    headers = {"idempotency-key": "once"}
    first = await api("POST", TARGET, MESSAGE, headers=headers, path=SUBMIT)
    second = await api("POST", TARGET, MESSAGE, headers=headers, path=SUBMIT)
    assert first.json["idempotency"] == {"key": "once", "status": "MISS"}
    assert second.json["idempotency"]["status"] == "HIT"
    assert second.json["queueId"] == first.json["queueId"]
    assert (await api("GET", "/v1/outbox")).json["total"] == 1


async def test_an_account_that_cannot_send_is_404(api: Api) -> None:
    await register(api, smtp=False)
    got = await api("POST", TARGET, MESSAGE, path=SUBMIT)
    assert (got.status, got.json["code"]) == (404, "SMTPUnavailable")


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"to": [{"name": "x"}]}, {"to.0.address"}),
        ({"to": "joe@example.com"}, {"to.0"}),
        ({"attachments": [{"filename": "a.txt"}]}, {"attachments.0.content"}),
        ({"attachments": [{"content": "x", "encoding": "hex"}]}, {"attachments.0.encoding"}),
        ({"raw": base64.b64encode(b"a: b\r\n\r\n").decode()}, {"text"}),
        ({"reference": {"action": "reply"}}, {"reference.message"}),
        ({"reference": {"message": "x", "action": "resend"}}, {"reference.action"}),
        ({"sendAt": "tomorrow", "messageId": "x" * 997}, {"sendAt", "messageId"}),
    ],
)
async def test_wrong_fields_are_named(api: Api, change: dict[str, object], keys: set[str]) -> None:
    await register(api)
    got = await api("POST", TARGET, {**MESSAGE, **change}, path=SUBMIT)
    assert got.status == 400
    assert {field["key"] for field in got.json["fields"]} == keys
