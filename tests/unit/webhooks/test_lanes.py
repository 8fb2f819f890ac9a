"""From the log to a real receiver and back: order, attempts, endings, faults (invariant I24)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web

from postroom.model.account import CustomHeader
from postroom.model.event import EventDraft, EventType
from postroom.store.connection import Store
from postroom.store.keys import partition_of
from postroom.store.lanes import lane_id
from postroom.webhooks.deliver import MAX_ATTEMPTS
from postroom.webhooks.retention import Retention
from tests.fakes.clock import FakeClock
from tests.fakes.webhook_receiver import Received, WebhookReceiver, webhook_receiver
from tests.unit.webhooks.house import SECRET, House, new


@pytest_asyncio.fixture
async def house(store: Store, clock: FakeClock) -> AsyncIterator[House]:
    built = House(store, clock)
    yield built
    await built.close()


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with webhook_receiver() as running:
        yield running


def answering(*statuses: int) -> object:
    """A reply that gives these statuses in turn, then 200."""
    left = list(statuses)

    async def reply(_: Received) -> int:
        return left.pop(0) if left else 200

    return reply


async def test_an_event_is_posted_signed_and_described(
    house: House, receiver: WebhookReceiver
) -> None:
    await house.set_up(f"{receiver.url}/hook", serviceUrl="https://mail.example")
    await house.register("a")
    ids = await house.emit("a", new(1))
    await house.work()
    got = receiver.received[0]
    assert got.path == "/hook"
    assert got.json["serviceUrl"] == "https://mail.example"
    assert (got.json["account"], got.json["event"], got.json["path"]) == (
        "a",
        "messageNew",
        "INBOX",
    )
    assert got.json["data"] == {"n": 1}
    assert "eventId" not in got.json
    digest = hmac.new(SECRET.encode(), got.body, hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert got.headers["X-EE-Wh-Signature"] == signature
    assert got.headers["X-EE-Wh-Event-Id"] == ids[0]
    assert got.headers["X-EE-Wh-Attempts-Made"] == "0"
    assert got.headers["X-EE-Wh-Queued-Time"].endswith("s")
    assert got.headers["X-EE-Wh-Id"].startswith(lane_id("default", "a"))
    assert got.headers["Content-Type"] == "application/json"
    assert await house.waiting("a") == 0


async def test_login_and_custom_headers_are_sent_and_the_account_s_win(
    house: House, receiver: WebhookReceiver
) -> None:
    url = receiver.url.replace("//", "//user:pass@")
    await house.set_up(url, webhooksCustomHeaders=[{"key": "X-A", "value": "1"}, {"key": "X-B"}])
    await house.register("a", headers=(CustomHeader(key="x-a", value="2"),))
    await house.emit("a", new(1))
    await house.work()
    headers = receiver.received[0].headers
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()
    assert (headers["x-a"], headers["X-B"]) == ("2", "")


async def test_a_large_compressed_event_arrives_whole(
    house: House, receiver: WebhookReceiver
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    text = "\u2603 text " * 200_000
    await house.emit("a", EventDraft(event=EventType.MESSAGE_NEW, data={"text": text}))
    await house.work()
    assert receiver.received[0].json["data"]["text"] == text


async def test_order_is_kept_while_the_head_fails(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    receiver.reply = answering(200, 500, 404, 200)  # type: ignore[assignment]  # test data
    ids = await house.emit_new("a", 4)
    await house.work()
    assert [one.event_id for one in receiver.received] == [ids[0], ids[1]]
    await house.work()
    assert len(receiver.received) == 2
    await clock.advance(6)
    await house.work()
    await clock.advance(12)
    await house.work()
    assert [one.event_id for one in receiver.received] == [ids[0], *[ids[1]] * 3, ids[2], ids[3]]
    made = [one.headers["X-EE-Wh-Attempts-Made"] for one in receiver.received]
    assert made == ["0", "0", "1", "2", "0", "0"]


async def test_a_failing_account_does_not_hold_up_another_one(
    house: House, receiver: WebhookReceiver
) -> None:
    await house.set_up(receiver.url)
    await house.register("bad")
    await house.register("good")

    async def reply(got: Received) -> int:
        return 500 if got.json["account"] == "bad" else 200

    receiver.reply = reply
    await house.emit_new("bad", 2)
    await house.emit_new("good", 3)
    await house.work()
    assert [one.json["account"] for one in receiver.received].count("good") == 3
    assert await house.waiting("bad") == 2


async def test_after_ten_attempts_an_event_is_dead_and_the_next_one_goes(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up(receiver.url.replace("//", "//user:canary@"))
    await house.register("a")
    receiver.reply = answering(*[500] * MAX_ATTEMPTS)  # type: ignore[assignment]  # test data
    ids = await house.emit_new("a", 2)
    waits = []
    for attempt in range(MAX_ATTEMPTS):
        assert len(receiver.received) == attempt
        await house.work()
        waits.append(5.0 * 2**attempt)
        await clock.advance(waits[-1] * 1.2 + 1)
    assert [one.event_id for one in receiver.received] == [ids[0]] * MAX_ATTEMPTS + [ids[1]]
    assert await house.waiting("a") == 0


async def test_a_dead_event_leaves_an_error_flag_that_the_next_success_takes_away(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up(receiver.url.replace("//", "//user:canary@") + "/secret-path")
    await house.register("a")

    async def redirect(_: Received) -> web.Response:
        return web.Response(status=302, headers={"Location": "/"})

    receiver.reply = redirect
    await house.emit_new("a", 1)
    await house.work()
    await clock.advance(2)
    flag = await house.settings.get("webhookErrorFlag")
    assert (flag["event"], flag["code"]) == ("messageNew", "EREDIRECTNOTFOLLOWED")
    assert flag["url"] == receiver.url
    assert "canary" not in str(flag)
    receiver.reply = answering()  # type: ignore[assignment]  # test data
    await house.emit_new("a", 1)
    await house.work()
    await clock.advance(2)
    assert await house.settings.get("webhookErrorFlag") is None


async def test_a_dead_event_of_an_account_s_own_url_leaves_no_global_flag(
    house: House, clock: FakeClock
) -> None:
    await house.set_up("http://127.0.0.1:9/")
    await house.register("a", "http://169.254.169.254/latest")
    await house.emit_new("a", 1)
    await house.work()
    await clock.advance(2)
    assert await house.waiting("a") == 0
    assert await house.settings.get("webhookErrorFlag") is None


async def test_a_blocked_address_ends_the_event_at_once(house: House, clock: FakeClock) -> None:
    await house.set_up("http://169.254.169.254/")
    await house.register("a")
    await house.emit_new("a", 2)
    await house.work()
    await clock.advance(2)
    assert await house.waiting("a") == 0
    assert (await house.settings.get("webhookErrorFlag"))["code"] == "EEGRESSBLOCKED"


async def test_a_corrected_url_takes_effect_for_what_already_waits(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up("http://127.0.0.1:9/")
    await house.register("a")
    ids = await house.emit_new("a", 2)
    await house.work()
    assert await house.waiting("a") == 2
    await house.set_up(receiver.url)
    await clock.advance(10)
    await house.work()
    assert [one.event_id for one in receiver.received] == ids


async def test_settings_that_changed_just_before_an_event_hold_for_it(
    house: House, receiver: WebhookReceiver, store: Store, clock: FakeClock
) -> None:
    other = House(store, clock)
    await house.register("a")
    await house.work()
    await other.set_up(receiver.url)
    await other.emit_new("a", 1)
    await house.dispatch()
    house.settings.forget()
    await other.set_up(None)
    await house.settings.get("webhooks")
    await other.set_up(receiver.url, inboxNewOnly=True)
    elsewhere = EventDraft(event=EventType.MESSAGE_NEW, path="Archive", data={})
    await other.emit("a", elsewhere)
    await house.work()
    await other.close()
    assert len(receiver.received) == 1


async def test_switching_webhooks_off_drops_what_waits(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up("http://127.0.0.1:9/")
    await house.register("a")
    await house.emit_new("a", 2)
    await house.work()
    await house.set_up(receiver.url, webhooksEnabled=False)
    await clock.advance(10)
    await house.work()
    assert (receiver.received, await house.waiting("a")) == ([], 0)


async def test_of_a_deleted_account_only_the_deletion_is_posted_and_no_key_stays(
    house: House, receiver: WebhookReceiver
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    await house.emit_new("a", 2)
    await house.dispatch()
    await house.emit_new("a", 1)
    await house.accounts.delete("a", [])
    await house.emit("a", EventDraft(event=EventType.ACCOUNT_DELETED, data={"account": "a"}))
    await house.work()
    assert [one.json["event"] for one in receiver.received] == ["accountDeleted"]
    keys = await house.store.command("KEYS", "*")
    assert not [key for key in keys if b"lane" in key or b"schedule" in key or b"leases" in key]


async def test_a_worker_killed_after_the_reply_delivers_again_with_the_same_id(
    house: House, receiver: WebhookReceiver, store: Store, clock: FakeClock
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    ids = await house.emit_new("a", 2)
    await house.dispatch()

    async def die(_: Received) -> int:
        serving.cancel()
        return 200

    leased = (await house.schedule.claim(partition_of("a"), 1)).items[0]
    receiver.reply = die
    serving = asyncio.create_task(house.server.serve(leased))
    await asyncio.wait([serving])
    receiver.reply = answering()  # type: ignore[assignment]  # test data
    successor = House(store, clock)
    await clock.advance(61)
    await successor.work()
    await successor.close()
    assert [one.event_id for one in receiver.received] == [ids[0], ids[0], ids[1]]


async def test_a_worker_that_lost_its_lease_during_an_attempt_takes_nothing_off(
    house: House, receiver: WebhookReceiver, store: Store, clock: FakeClock
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    ids = await house.emit_new("a", 2)
    await house.dispatch()
    successor = House(store, clock)

    async def overtaken(_: Received) -> int:
        receiver.reply = answering()  # type: ignore[assignment]  # test data
        await clock.advance(61)
        await successor.serve_due()
        return 200

    receiver.reply = overtaken
    await house.serve_due()
    await successor.close()
    assert [one.event_id for one in receiver.received] == [ids[0], ids[0], ids[1]]
    assert await house.waiting("a") == 0


async def test_a_damaged_or_trimmed_event_is_skipped_and_the_next_one_goes(
    house: House, receiver: WebhookReceiver, store: Store
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    key = store.keys.of("a", "events")
    await store.command("XADD", key, "*", "a", "a", "e", "messageNew", "p", b"\x78garbage")
    await store.command("XADD", key, "*", "a", "a", "e", "messageNew", "p", b"{}")
    await house.emit_new("a", 1)
    ids = await house.emit_new("a", 1)
    await house.dispatch()
    rows = await store.command("XRANGE", key, "-", "+")
    await store.command("XDEL", key, rows[2][0])
    await house.serve_due()
    assert [one.event_id for one in receiver.received] == ids


async def test_a_dead_receiver_is_tried_by_one_lane_and_all_arrive_when_it_is_back(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up(receiver.url)
    names = [f"a{n}" for n in range(20)]
    receiver.reply = answering(*[503] * 3)  # type: ignore[assignment]  # test data
    for name in names:
        await house.register(name)
        await house.emit_new(name, 1)
    await house.work()
    assert len(receiver.received) == 1
    for _ in range(60):
        await clock.advance(3)
        await house.work()
    assert {one.json["account"] for one in receiver.received[3:]} == set(names)
    assert len(receiver.received) == 23


async def test_retention_keeps_what_waits_and_drops_it_past_the_hard_cap(
    house: House, clock: FakeClock
) -> None:
    await house.set_up("http://127.0.0.1:9/")
    await house.register("a")
    await house.emit_new("a", 5)
    await house.work()
    retention = Retention(house.log, house.lanes, clock)
    part = partition_of("a")
    await retention.trim(part, kept=0)
    assert await house.log.length(part) == 5
    await retention.trim(part, kept=0, hard_cap=2)
    assert await house.log.length(part) == 2


async def test_an_account_whose_secrets_do_not_open_stops_nobody(
    house: House, receiver: WebhookReceiver, store: Store
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    sealed = "$wd01$aes-256-gcm$" + "00" * 16 + "$" + "00" * 12 + "$" + "00" * 16 + "$00"
    record = b'{"account":"a","imap":{"host":"h","auth":{"user":"u","pass":"%s"}}}'
    key = store.keys.account("a")
    await store.command("HSET", key, "record", record % sealed.encode())
    await house.emit_new("a", 1)
    await house.work()
    assert len(receiver.received) == 1


async def test_an_event_that_crashes_its_delivery_is_given_up_in_the_end(
    house: House, receiver: WebhookReceiver, clock: FakeClock
) -> None:
    await house.set_up(receiver.url)
    await house.register("a")
    ids = await house.emit_new("a", 2)
    post = house.http.post

    async def crash_on_the_first(url: str, body: bytes, *rest: object) -> object:
        if b'"n":0' in body:
            raise RuntimeError("nobody foresaw this")
        return await post(url, body, *rest)  # type: ignore[arg-type]  # passed on as it came

    house.http.post = crash_on_the_first  # type: ignore[method-assign,assignment]  # the crash
    await house.dispatch()
    for _ in range(MAX_ATTEMPTS + 1):
        await house.serve_due()
        await clock.advance(4 * 3600)
    assert [one.event_id for one in receiver.received] == [ids[1]]
    assert await house.waiting("a") == 0


async def test_a_damaged_account_stops_no_other_one_of_its_partition(
    house: House, receiver: WebhookReceiver
) -> None:
    await house.set_up(receiver.url)
    names = [f"a{number}" for number in range(100)]
    bad, good = [name for name in names if partition_of(name) == partition_of("a0")][:2]
    for name in (bad, good):
        await house.register(name)
    await house.store.command("HSET", house.store.keys.account(bad), "record", "{broken")
    await house.emit_new(bad, 1)
    ids = await house.emit_new(good, 1)
    await house.work()
    assert ids[0] in [one.event_id for one in receiver.received]
