"""Accepting submissions through the room's door, on a real store."""

from __future__ import annotations

import asyncio
import base64
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest

from postroom.errors import (
    AccountNotFound,
    AccountUnusable,
    DeadlineExceeded,
    InvalidInput,
    MessageNotFound,
    ReferenceNotFound,
    SendingUnavailable,
)
from postroom.model.message import Address, Attachment, ReferencedMessage
from postroom.store.queued import QueueState
from postroom.submit.message import (
    SubmitAttachment,
    SubmitEnvelope,
    SubmitMessage,
    SubmitReference,
)
from tests.unit.submit.conftest import ME, Bench, account_for

YOU = (Address(address="you@example.org"),)
HELLO = SubmitMessage(to=YOU, subject="Hello", text="Hi")


def message(**changes: Any) -> SubmitMessage:
    return msgspec.structs.replace(HELLO, **changes)


async def composed(bench: Bench, submission: SubmitMessage) -> EmailMessage:
    dry = msgspec.structs.replace(submission, dry_run=True)
    answer = await bench.submissions.accept(ME, dry, bench.deadline())
    parsed = message_from_bytes(base64.b64decode(answer.preview or ""), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


async def test_a_submission_is_queued_and_answered(bench: Bench) -> None:
    answer = await bench.submissions.accept(ME, HELLO, bench.deadline())
    assert answer.response == "Queued for delivery"
    assert len(answer.queue_id or "") == 19
    assert answer.message_id.endswith("@example.com>")
    queued = await bench.outbox.get(answer.queue_id or "")
    assert queued is not None
    assert queued.state is QueueState.WAITING
    assert queued.record.attempts_allowed == 10


async def test_a_dry_run_queues_nothing(bench: Bench) -> None:
    answer = await bench.submissions.accept(ME, message(dry_run=True), bench.deadline())
    assert answer.response == "Dry run"
    assert answer.queue_id is None
    assert (await bench.outbox.list()).total == 0


async def test_the_sender_defaults_to_the_account(bench: Bench) -> None:
    parsed = await composed(bench, HELLO)
    assert parsed["From"] == "Me Myself <me@example.com>"
    assert parsed["MIME-Version"] == "1.0"
    assert parsed["Date"].datetime.timestamp() == bench.clock.now_ms() // 1000


async def test_text_is_derived_from_html_and_data_images_become_parts(bench: Bench) -> None:
    pixel = base64.b64encode(b"GIF89a").decode()
    html = f'<body><p>Hi <b>you</b></p><img src="data:image/gif;base64,{pixel}"></body>'
    parsed = await composed(bench, message(text=None, html=html, preview_text="Soon <x>"))
    plain = parsed.get_body(("plain",))
    markup = parsed.get_body(("html",))
    assert plain is not None
    assert markup is not None
    assert "Hi you" in plain.get_content().replace("\r\n", "\n")
    assert 'src="cid:' in markup.get_content()
    assert "Soon &lt;x&gt;</div><p>Hi" in markup.get_content()
    image = next(part for part in parsed.walk() if part.get_content_type() == "image/gif")
    assert image.get_content() == b"GIF89a"
    assert image["Content-ID"].strip("<>") in markup.get_content()


async def test_a_scheduled_message_waits_and_carries_its_send_time(bench: Bench) -> None:
    later = message(send_at="2027-01-01T00:00:00.000Z")
    answer = await bench.submissions.accept(ME, later, bench.deadline())
    assert answer.send_at == "2027-01-01T00:00:00.000Z"
    listed = (await bench.outbox.list()).items[0]
    assert listed.state is QueueState.DELAYED
    source = await bench.outbox.source(answer.queue_id or "")
    assert b"Date: Fri, 01 Jan 2027 00:00:00 +0000" in (source or b"")
    assert await bench.deliver_due() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"template": "t"}, "template"),
        ({"mail_merge": [{"to": {"address": "a@b.c"}}]}, "mailMerge"),
        ({"list_id": "a.b"}, "listId"),
        ({"track_opens": True}, "trackOpens"),
        ({"proxy": "socks://x"}, "proxy"),
        ({"raw": "QQ==", "html": "x", "text": None}, "html"),
        ({"raw": "%%", "text": None}, "raw"),
        ({"subject": "a\r\nBcc: x@y.z"}, "Subject"),
        ({"headers": {"X-A": "a\nBcc: x@y.z"}}, "X-A"),
        ({"headers": {"X A": "a"}}, "headers.'X A'"),
        ({"headers": {"Content-Type": "a/b"}}, "headers.Content-Type"),
        ({"to": (Address(name="a\r\nBcc: x@y.z", address="a@b.c"),)}, "To"),
        ({"to": (Address(address="a@b.c>\r\nBcc: <x@y.z"),)}, "to"),
        ({"to": ()}, "to"),
        ({"envelope": SubmitEnvelope(to=("a@b.c>\r\nDATA",))}, "envelope"),
        ({"message_id": "<a b>"}, "messageId"),
        ({"attachments": (SubmitAttachment(content="***"),)}, "attachments.0.content"),
        (
            {"attachments": (SubmitAttachment(content="QQ==", filename="a\r\nX: y"),)},
            "attachments.0.filename",
        ),
        ({"send_at": "tomorrow"}, "sendAt"),
        ({"reference": SubmitReference()}, "reference.message"),
    ],
)
async def test_what_is_wrong_is_refused_by_name(
    bench: Bench, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await bench.submissions.accept(ME, message(**change), bench.deadline())
    assert [problem["key"] for problem in caught.value.extra["fields"]] == [field]
    assert (await bench.outbox.list()).total == 0


async def test_an_account_without_smtp_cannot_send(bench: Bench) -> None:
    await bench.accounts.replace(account_for(1, smtp=None))
    with pytest.raises(SendingUnavailable):
        await bench.submissions.accept(ME, HELLO, bench.deadline())
    with pytest.raises(AccountNotFound):
        await bench.submissions.accept("nobody", HELLO, bench.deadline())


async def test_a_given_envelope_beats_the_header(bench: Bench) -> None:
    envelope = SubmitEnvelope(from_="bounce@example.com", to=("real@example.org",))
    answer = await bench.submissions.accept(ME, message(envelope=envelope), bench.deadline())
    queued = await bench.outbox.get(answer.queue_id or "")
    assert queued is not None
    assert queued.record.envelope_from == "bounce@example.com"
    assert queued.record.envelope_to == ("real@example.org",)


# Replies and forwards


def original(bench: Bench, **changes: Any) -> ReferencedMessage:
    fields: dict[str, Any] = {
        "id": "m1",
        "path": "INBOX",
        "message_id": "<o@x>",
        "references": "<a@x> <b@x>",
        "in_reply_to": "<b@x>",
        "subject": "Plans",
        "date": "2026-11-20T09:22:00.000Z",
        "from_": Address(name="You", address="you@example.org"),
        "plain": "line one\nline two",
        "html": "<body><p>line <img src='cid:i1'></p><script>x</script></body>",
        "attachments": (
            Attachment(id="a1", content_type="image/png", content_id="<i1>", embedded=True),
            Attachment(id="a2", content_type="application/pdf", filename="p.pdf"),
        ),
    }
    value = ReferencedMessage(**(fields | changes))
    bench.mailbox.originals["m1"] = value
    bench.mailbox.attachments = {
        "a1": ("image/png", "i.png", b"PNG"),
        "a2": ("application/pdf", "p.pdf", b"PDF" * 50),
    }
    return value


async def test_a_reply_has_recipient_subject_and_thread(bench: Bench) -> None:
    original(bench)
    reply = SubmitMessage(reference=SubmitReference(message="m1"), text="Yes")
    parsed = await composed(bench, reply)
    assert parsed["To"] == "You <you@example.org>"
    assert parsed["Subject"] == "Re: Plans"
    assert parsed["In-Reply-To"] == "<o@x>"
    assert parsed["References"].split() == ["<a@x>", "<b@x>", "<o@x>"]


async def test_an_inline_reply_quotes_text_and_clean_html_with_its_images(bench: Bench) -> None:
    original(bench)
    reference = SubmitReference(message="m1", inline=True)
    parsed = await composed(
        bench, SubmitMessage(reference=reference, text="Yes", html="<p>Yes</p>")
    )
    plain = parsed.get_body(("plain",))
    markup = parsed.get_body(("html",))
    assert plain is not None
    assert markup is not None
    wrote = "On Fri, 20 Nov 2026 at 09:22, You <you@example.org> wrote:"
    assert f"Yes\n\n{wrote}\n> line one\n> line two" in plain.get_content().replace("\r\n", "\n")
    assert '<blockquote type="cite"' in markup.get_content()
    assert "cid:i1" in markup.get_content()
    assert "<script" not in markup.get_content()
    assert "image/png" in [part.get_content_type() for part in parsed.walk()]


async def test_a_forward_takes_all_attachments_along(bench: Bench) -> None:
    original(bench)
    reference = SubmitReference(message="m1", action="forward", forward_attachments=True)
    parsed = await composed(bench, SubmitMessage(reference=reference, to=YOU, text="See"))
    assert parsed["Subject"] == "Fwd: Plans"
    assert parsed["In-Reply-To"] is None
    pdf = next(part for part in parsed.walk() if part.get_content_type() == "application/pdf")
    assert pdf.get_content() == b"PDF" * 50
    assert pdf.get_filename() == "p.pdf"


async def test_a_missing_original_is_refused_unless_it_may_be_missing(bench: Bench) -> None:
    with pytest.raises(ReferenceNotFound):
        await bench.submissions.accept(
            ME, message(reference=SubmitReference(message="gone")), bench.deadline()
        )
    reference = SubmitReference(message="gone", ignore_missing=True)
    answer = await bench.submissions.accept(ME, message(reference=reference), bench.deadline())
    assert answer.reference is not None
    assert answer.reference.success is False
    assert answer.reference.message == "gone"


async def test_an_original_with_another_message_id_is_refused(bench: Bench) -> None:
    original(bench)
    reference = SubmitReference(message="m1", message_id="<other@x>")
    with pytest.raises(MessageNotFound):
        await bench.submissions.accept(ME, message(reference=reference), bench.deadline())


async def test_a_send_only_account_cannot_refer(bench: Bench) -> None:
    await bench.accounts.replace(account_for(bench.sink.port, imap=None))
    with pytest.raises(InvalidInput) as caught:
        await bench.submissions.accept(
            ME, message(reference=SubmitReference(message="m1")), bench.deadline()
        )
    assert caught.value.public_code == "ReferenceNotSupported"


async def test_a_transient_failure_to_fetch_the_original_is_tried_again(bench: Bench) -> None:
    original(bench)
    bench.mailbox.failures += [AccountUnusable("connecting"), AccountUnusable("connecting")]
    reply = message(reference=SubmitReference(message="m1"))
    task = asyncio.create_task(bench.submissions.accept(ME, reply, bench.deadline()))
    for _ in range(5):
        await asyncio.sleep(0.01)
        await bench.clock.advance(2)
    assert (await task).queue_id


async def test_a_stored_attachment_is_attached_by_its_id(bench: Bench) -> None:
    original(bench)
    parsed = await composed(bench, message(attachments=(SubmitAttachment(reference="a2"),)))
    assert next(parsed.iter_attachments()).get_content() == b"PDF" * 50
    with pytest.raises(ReferenceNotFound):
        await composed(bench, message(attachments=(SubmitAttachment(reference="gone"),)))


# Raw messages

RAW = (
    b"X-EE-Send-At: 1900000000000\r\nx-ee-delivery-attempts: 3\r\nFrom: A <a@example.com>\r\n"
    b"To: b@example.org\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Keep:  odd   spaces\r\n"
    b"Bcc: c@example.org\r\n\r\nbody \xff\r\n.\r\nend"
)


async def test_a_raw_message_keeps_its_body_and_loses_its_control_headers(bench: Bench) -> None:
    raw = SubmitMessage(raw=base64.b64encode(RAW).decode())
    answer = await bench.submissions.accept(ME, raw, bench.deadline())
    queued = await bench.outbox.get(answer.queue_id or "")
    assert queued is not None
    assert queued.record.attempts_allowed == 3
    assert queued.record.send_at_ms == 1_900_000_000_000
    assert queued.record.subject == "Gr\u00fc\u00dfe"
    assert queued.record.envelope_to == ("b@example.org", "c@example.org")
    source = await bench.outbox.source(answer.queue_id or "") or b""
    assert source.endswith(b"\r\n\r\nbody \xff\r\n.\r\nend")
    assert b"X-EE-" not in source
    assert b"x-ee-" not in source
    assert b"X-Keep:  odd   spaces\r\n" in source


async def test_given_fields_update_a_raw_message_and_empty_lists_remove(bench: Bench) -> None:
    raw = SubmitMessage(
        raw=base64.b64encode(RAW.replace(b"X-EE-Send-At: 1900000000000\r\n", b"")).decode(),
        subject="New",
        to=YOU,
        bcc=(),
        headers={"X-Keep": "new"},
    )
    answer = await bench.submissions.accept(ME, raw, bench.deadline())
    await bench.deliver_due()
    received = bench.sink.messages[0]
    assert received.recipients == ["you@example.org"]
    copy = bench.mailbox.sent[0].raw
    assert b"Subject: New\r\n" in copy
    assert b"X-Keep: new\r\n" in copy
    assert b"Bcc" not in copy
    assert answer.message_id.encode() in copy


# Idempotency


async def test_a_repeated_key_gets_the_stored_answer(bench: Bench) -> None:
    first = await bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="k*")
    again = await bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="k*")
    assert first.idempotency is not None
    assert again.idempotency is not None
    assert first.idempotency.status == "MISS"
    assert again.idempotency.status == "HIT"
    assert first.queue_id == again.queue_id
    assert first.message_id == again.message_id
    assert (await bench.outbox.list()).total == 1


async def test_racing_repeats_queue_one_message(bench: Bench) -> None:
    calls = [
        bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="race")
        for _ in range(8)
    ]
    tasks = [asyncio.create_task(call) for call in calls]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.01)
        await bench.clock.advance(0.1)
    answers = [task.result() for task in tasks]
    assert len({answer.queue_id for answer in answers}) == 1
    statuses = [answer.idempotency.status for answer in answers if answer.idempotency]
    assert sorted(statuses) == ["HIT"] * 7 + ["MISS"]
    assert (await bench.outbox.list()).total == 1


async def test_a_failed_first_attempt_frees_the_key(bench: Bench) -> None:
    with pytest.raises(InvalidInput):
        await bench.submissions.accept(ME, message(to=()), bench.deadline(), idempotency_key="k")
    answer = await bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="k")
    assert answer.idempotency is not None
    assert answer.idempotency.status == "MISS"


async def test_the_key_of_a_killed_process_is_free_after_its_deadline(bench: Bench) -> None:
    keys = bench.outbox.keys
    dead = await keys.claim(ME, "k", bench.deadline(10))
    assert not isinstance(dead, bytes)
    waiting = asyncio.create_task(keys.claim(ME, "k", bench.deadline(2)))
    for _ in range(30):
        await asyncio.sleep(0.005)
        await bench.clock.advance(0.1)
    with pytest.raises(DeadlineExceeded):
        await waiting
    await bench.clock.advance(13)
    taken = await keys.claim(ME, "k", bench.deadline())
    assert not isinstance(taken, bytes)
    await keys.free(dead)
    assert not isinstance(taken, bytes)
    loser = await bench.store.command("HGET", taken.bucket, "k")
    assert taken.token.encode() in loser


async def test_keys_are_kept_over_midnight_and_per_account(bench: Bench) -> None:
    first = await bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="k")
    await bench.clock.advance(24 * 3600)
    again = await bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="k")
    assert again.queue_id == first.queue_id
    await bench.clock.advance(24 * 3600)
    anew = await bench.submissions.accept(ME, HELLO, bench.deadline(), idempotency_key="k")
    assert anew.queue_id != first.queue_id
