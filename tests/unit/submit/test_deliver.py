"""From a queued message to its end: one attempt at a time, real store, real SMTP server."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from postroom.errors import AccountUnusable, StoreUnavailable, UploadFailed
from postroom.model.message import Address, ReferencedMessage
from postroom.queue.schedule import Leased
from postroom.store.keys import PARTITIONS, partition_of
from postroom.store.queued import QueueState
from postroom.submit.message import SubmitAnswer, SubmitMessage, SubmitReference
from tests.unit.submit.conftest import ME, Bench, account_for

HELLO = SubmitMessage(
    to=(Address(address="you@example.org"),),
    bcc=(Address(address="hidden@example.org"),),
    subject="Hello",
    text="Hi",
)


async def submit(bench: Bench, message: SubmitMessage = HELLO) -> SubmitAnswer:
    return await bench.submissions.accept(ME, message, bench.deadline())


async def claim(bench: Bench) -> Leased:
    claimed = await bench.schedule.claim(partition_of(ME), 1)
    return claimed.items[0]


async def test_a_message_is_sent_without_bcc_copied_with_it_and_announced(bench: Bench) -> None:
    answer = await submit(bench)
    assert await bench.deliver_due() == 1
    received = bench.sink.messages[0]
    assert received.sender == "me@example.com"
    assert received.recipients == ["you@example.org", "hidden@example.org"]
    assert b"hidden" not in received.raw
    copy = bench.mailbox.sent[0]
    assert copy.path == "\\Sent"
    assert copy.flags == ("\\Seen",)
    assert b"Bcc: hidden@example.org" in copy.raw
    event = (await bench.events())[0]
    assert event.event == "messageSent"
    assert event.data["messageId"] == answer.message_id
    assert event.data["queueId"] == answer.queue_id
    assert event.data["response"].startswith("250 ")
    assert event.data["envelope"]["to"] == ["you@example.org", "hidden@example.org"]
    assert (await bench.outbox.list()).total == 0
    _, status = await bench.accounts.get_with_status(ME)
    assert status.smtp_status is not None
    assert status.smtp_status["status"] == "ok"


async def test_a_delivered_message_leaves_no_key_behind(bench: Bench) -> None:
    before = set(await bench.store.command("KEYS", "*"))
    await submit(bench)
    await bench.deliver_due()
    left = set(await bench.store.command("KEYS", "*")) - before
    assert {key for key in left if b":events" not in key} == set()


async def test_a_reply_sets_answered_and_a_forward_both_flags(bench: Bench) -> None:
    bench.mailbox.originals["m1"] = ReferencedMessage(
        id="m1", path="INBOX", message_id="<o@x>", from_=Address(address="you@example.org")
    )
    await submit(bench, SubmitMessage(reference=SubmitReference(message="m1"), text="yes"))
    forward = SubmitReference(message="m1", action="forward")
    await submit(bench, SubmitMessage(reference=forward, to=HELLO.to, text="see"))
    await bench.deliver_due()
    added = sorted(update.flags.add or () for update in bench.mailbox.updates if update.flags)
    assert added == [("\\Answered",), ("\\Answered", "$Forwarded")]


async def test_flags_stay_when_one_of_them_is_set_already(bench: Bench) -> None:
    bench.mailbox.originals["m1"] = ReferencedMessage(
        id="m1", path="INBOX", flags=("\\Answered",), from_=Address(address="y@example.org")
    )
    await submit(bench, SubmitMessage(reference=SubmitReference(message="m1"), text="again"))
    await bench.deliver_due()
    assert bench.mailbox.updates == []


@pytest.mark.parametrize("trouble", ["mail", "data"])
async def test_a_temporary_refusal_is_tried_again_and_then_sent_once(
    bench: Bench, trouble: str
) -> None:
    replies = bench.sink.mail_replies if trouble == "mail" else bench.sink.data_replies
    replies.append("451 4.7.1 try later")
    await submit(bench)
    await bench.deliver_due()
    assert bench.sink.messages == []
    failed = (await bench.events())[0]
    assert failed.event == "messageDeliveryError"
    assert failed.data["smtpResponseCode"] == 451
    assert failed.data["job"]["attemptsMade"] == 1
    assert failed.data["job"]["nextAttempt"] is not False
    assert await bench.deliver_due() == 0
    await bench.clock.advance(7)
    await bench.deliver_due()
    assert len(bench.sink.messages) == 1
    assert await bench.event_names() == ["messageDeliveryError", "messageSent"]


@pytest.mark.parametrize(
    ("at", "reply"), [("rcpt", "550 5.1.1 no such user"), ("data", "554 5.7.1 spam")]
)
async def test_a_permanent_refusal_ends_with_one_terminal_event(
    bench: Bench, at: str, reply: str
) -> None:
    if at == "rcpt":
        bench.sink.refused = {"you@example.org": reply, "hidden@example.org": reply}
    else:
        bench.sink.data_replies.append(reply)
    answer = await submit(bench)
    await bench.deliver_due()
    assert await bench.event_names() == ["messageDeliveryError", "messageFailed"]
    error, failed = await bench.events()
    assert error.data["job"]["nextAttempt"] is False
    assert error.data["smtpResponseCode"] == int(reply[:3])
    assert failed.data["queueId"] == answer.queue_id
    listed = (await bench.outbox.list()).items[0]
    assert listed.state is QueueState.FAILED
    assert await bench.outbox.get(answer.queue_id or "") is None
    await bench.clock.advance(3600)
    assert await bench.deliver_due() == 0


async def test_attempts_used_up_end_with_message_failed(bench: Bench) -> None:
    bench.sink.mail_replies.extend(["450 no"] * 3)
    message = msgspec.structs.replace(HELLO, delivery_attempts=2)
    await submit(bench, message)
    await bench.deliver_due()
    await bench.clock.advance(7)
    await bench.deliver_due()
    names = await bench.event_names()
    assert names == ["messageDeliveryError", "messageDeliveryError", "messageFailed"]


async def test_some_refused_recipients_are_reported_and_the_others_get_it(bench: Bench) -> None:
    bench.sink.refused = {"hidden@example.org": "550 5.1.1 unknown"}
    await submit(bench)
    await bench.deliver_due()
    sent = (await bench.events())[0]
    assert sent.data["rejected"] == ["hidden@example.org"]
    assert sent.data["envelope"]["to"] == ["you@example.org"]


async def test_a_wrong_password_is_final_and_stands_in_the_smtp_status(bench: Bench) -> None:
    bench.sink.credentials = ("me", "other")
    await submit(bench)
    await bench.deliver_due()
    assert await bench.event_names() == ["messageDeliveryError", "messageFailed"]
    event = (await bench.events())[0]
    assert event.data["errorCode"] == "EAUTH"
    _, status = await bench.accounts.get_with_status(ME)
    assert status.smtp_status is not None
    assert status.smtp_status["code"] == "EAUTH"
    assert "canary-password" not in repr(status) + repr(await bench.events())


async def test_a_server_that_is_away_is_tried_again(bench: Bench) -> None:
    await bench.sink.stop()
    await submit(bench)
    await bench.deliver_due()
    event = (await bench.events())[0]
    assert event.data["errorCode"] == "ECONNECTION"
    assert (await bench.outbox.list()).items[0].state is QueueState.DELAYED


async def test_a_connection_lost_after_data_is_looked_up_before_another_try(bench: Bench) -> None:
    bench.sink.drops_after_data = 1
    answer = await submit(bench)
    await bench.deliver_due()
    assert await bench.event_names() == ["messageDeliveryError"]
    bench.mailbox.in_sent.add(answer.message_id)
    await bench.clock.advance(7)
    await bench.deliver_due()
    assert bench.mailbox.searches[0].path == "\\Sent"
    assert len(bench.sink.messages) == 1
    assert await bench.event_names() == ["messageDeliveryError", "messageSent"]


async def test_an_unknown_outcome_without_a_trace_is_sent_again(bench: Bench) -> None:
    bench.sink.drops_after_data = 1
    await submit(bench)
    await bench.deliver_due()
    await bench.clock.advance(7)
    await bench.deliver_due()
    first, second = bench.sink.messages
    assert first.raw == second.raw
    assert (await bench.event_names())[-1] == "messageSent"


async def test_an_unknown_outcome_waits_while_the_account_cannot_be_asked(bench: Bench) -> None:
    bench.sink.drops_after_data = 1
    await submit(bench)
    await bench.deliver_due()
    bench.mailbox.failures.append(AccountUnusable("connecting"))
    await bench.clock.advance(7)
    await bench.deliver_due()
    assert len(bench.sink.messages) == 1
    await bench.clock.advance(7)
    await bench.deliver_due()
    assert len(bench.sink.messages) == 2


async def test_an_unknown_outcome_of_the_last_attempt_is_looked_up_before_it_fails(
    bench: Bench,
) -> None:
    bench.sink.drops_after_data = 1
    await submit(bench, msgspec.structs.replace(HELLO, delivery_attempts=1))
    await bench.deliver_due()
    await bench.clock.advance(7)
    await bench.deliver_due()
    assert len(bench.mailbox.searches) == 1
    assert len(bench.sink.messages) == 1
    assert await bench.event_names() == ["messageDeliveryError", "messageFailed"]


async def test_a_worker_killed_before_data_leaves_a_message_that_is_sent_once(bench: Bench) -> None:
    await submit(bench)
    await claim(bench)
    await bench.clock.advance(181)
    await bench.deliver_due()
    assert len(bench.sink.messages) == 1
    assert bench.mailbox.searches == []
    assert await bench.event_names() == ["messageSent"]


async def test_a_worker_killed_after_data_leaves_a_message_that_is_looked_up(bench: Bench) -> None:
    answer = await submit(bench)
    leased = await claim(bench)
    loaded = await bench.outbox.load(leased)
    assert loaded is not None
    sending = msgspec.structs.replace(loaded[0], phase="sending", attempts_made=1)
    assert await bench.outbox.mark(leased, sending, 180_000)
    bench.mailbox.in_sent.add(answer.message_id)
    await bench.clock.advance(181)
    await bench.deliver_due()
    assert bench.sink.messages == []
    assert await bench.event_names() == ["messageSent"]


async def test_a_worker_killed_after_sending_repeats_the_afterwards_only(bench: Bench) -> None:
    await submit(bench)
    bench.mailbox.failures.append(AccountUnusable("connecting"))
    await bench.deliver_due()
    assert bench.mailbox.sent == []
    queued = (await bench.outbox.list()).items[0]
    assert queued.record.phase == "sent"
    await claim_after(bench, 7)
    await bench.clock.advance(181)
    await bench.deliver_due()
    assert len(bench.sink.messages) == 1
    assert len(bench.mailbox.sent) == 1
    assert await bench.event_names() == ["messageSent"]
    assert (await bench.outbox.list()).total == 0


async def claim_after(bench: Bench, seconds: float) -> None:
    await bench.clock.advance(seconds)
    await claim(bench)


async def test_a_worker_that_lost_its_lease_does_not_transmit(bench: Bench) -> None:
    await submit(bench)
    stale = await claim(bench)
    await bench.clock.advance(181)
    fresh = await claim(bench)
    assert fresh.was_stalled
    await bench.delivery.handle(stale)
    assert bench.sink.messages == []
    await bench.delivery.handle(fresh)
    assert len(bench.sink.messages) == 1
    assert await bench.event_names() == ["messageSent"]


async def test_a_message_that_kills_its_worker_each_time_is_given_up(bench: Bench) -> None:
    await submit(bench)
    leased = await claim(bench)
    for _ in range(3):
        await bench.clock.advance(181)
        leased = await claim(bench)
        loaded = await bench.outbox.load(leased)
        assert loaded is not None
        stalled = msgspec.structs.replace(loaded[0], stalls=loaded[0].stalls + 1)
        await bench.outbox.mark(leased, stalled, 180_000)
    await bench.clock.advance(181)
    await bench.deliver_due()
    assert bench.sink.messages == []
    assert await bench.event_names() == ["messageFailed"]


async def test_a_refused_sent_copy_is_logged_only(bench: Bench) -> None:
    await submit(bench)
    bench.mailbox.failures.append(UploadFailed("quota"))
    await bench.deliver_due()
    assert (await bench.outbox.list()).total == 0
    assert await bench.event_names() == ["messageSent"]


@pytest.mark.parametrize(
    ("account_copy", "request_copy", "copies"),
    [(None, None, 1), (False, None, 0), (False, True, 1), (True, False, 0)],
)
async def test_the_request_decides_about_the_copy_before_the_account(
    bench: Bench, account_copy: bool | None, request_copy: bool | None, copies: int
) -> None:
    await bench.accounts.replace(account_for(bench.sink.port, copy=account_copy))
    await submit(bench, msgspec.structs.replace(HELLO, copy=request_copy))
    await bench.deliver_due()
    assert len(bench.mailbox.sent) == copies


async def test_messages_of_a_deleted_account_are_dropped(bench: Bench) -> None:
    await submit(bench)
    await bench.accounts.delete(ME, [])
    await bench.deliver_due()
    assert bench.sink.messages == []
    for partition in range(PARTITIONS):
        assert not (await bench.schedule.claim(partition, 1)).items


async def test_the_sent_mark_is_written_even_when_the_store_was_away_for_a_moment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submit(bench)
    real = bench.outbox.mark
    troubles = [StoreUnavailable("away")]

    async def flaky(leased, record, lease_ms, events=()):  # type: ignore[no-untyped-def]
        if record.phase == "sent" and troubles:
            await real(leased, record, lease_ms, events)
            raise troubles.pop()
        return await real(leased, record, lease_ms, events)

    async def no_wait(seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(bench.outbox, "mark", flaky)
    monkeypatch.setattr(bench.clock, "sleep", no_wait)
    await bench.deliver_due()
    assert await bench.event_names() == ["messageSent"]


async def test_a_damaged_record_ends_with_one_terminal_event(bench: Bench) -> None:
    answer = await submit(bench)
    key = bench.store.keys.of(ME, f"outbox:{answer.queue_id}")
    rest = msgspec.json.encode({"account": ME, "messageId": "<a@b>", "attemptsMade": "many"})
    await bench.store.command("HSET", key, "record", rest)
    assert await bench.deliver_due() == 1
    (event,) = await bench.events()
    assert event.event == "messageFailed"
    assert (event.data["queueId"], event.data["messageId"]) == (answer.queue_id, "<a@b>")
    await bench.clock.advance(3600)
    assert await bench.deliver_due() == 0


async def test_a_record_without_anything_readable_is_dropped(bench: Bench) -> None:
    answer = await submit(bench)
    key = bench.store.keys.of(ME, f"outbox:{answer.queue_id}")
    await bench.store.command("HSET", key, "record", "{")
    assert await bench.deliver_due() == 1
    await bench.clock.advance(3600)
    assert await bench.deliver_due() == 0
    assert (await bench.outbox.list()).total == 0


async def test_an_account_whose_secrets_do_not_open_fails_attempt_by_attempt(bench: Bench) -> None:
    await submit(bench, msgspec.structs.replace(HELLO, delivery_attempts=3))
    key = bench.store.keys.account(ME)
    record = await bench.store.command("HGET", key, "record")
    await bench.store.command("HSET", key, "record", "{broken")
    for _ in range(5):
        await bench.deliver_due()
        await bench.clock.advance(600)
    assert await bench.event_names() == ["messageDeliveryError"] * 3 + ["messageFailed"]
    assert bench.sink.messages == []
    await bench.store.command("HSET", key, "record", record)


async def test_a_locked_account_delays_what_was_sent_and_sends_it_not_again(bench: Bench) -> None:
    answer = await submit(bench)
    key = bench.store.keys.of(ME, f"outbox:{answer.queue_id}")
    record = msgspec.json.decode(await bench.store.command("HGET", key, "record"))
    await bench.store.command(
        "HSET", key, "record", msgspec.json.encode(record | {"phase": "sent"})
    )
    await bench.store.command("HSET", bench.store.keys.account(ME), "record", "{broken")
    for _ in range(20):
        await bench.deliver_due()
        await bench.clock.advance(700)
    assert await bench.event_names() == []
    assert (await bench.outbox.list()).total == 0


async def test_a_message_deleted_from_the_outbox_ends_with_message_failed(bench: Bench) -> None:
    answer = await submit(bench)
    assert answer.queue_id is not None
    assert await bench.submissions.withdraw(answer.queue_id)
    (event,) = await bench.events()
    assert event.event == "messageFailed"
    assert event.data["error"] == "The message was deleted from the outbox"
    assert event.data["queueId"] == answer.queue_id
    assert not await bench.submissions.withdraw(answer.queue_id)
    assert await bench.deliver_due() == 0
    assert len(await bench.events()) == 1


async def test_a_message_that_had_its_terminal_event_is_deleted_silently(bench: Bench) -> None:
    bench.sink.data_replies.append("554 no")
    answer = await submit(bench)
    await bench.deliver_due()
    before = await bench.event_names()
    assert before[-1] == "messageFailed"
    assert answer.queue_id is not None
    assert await bench.submissions.withdraw(answer.queue_id)
    assert await bench.event_names() == before
