"""A random history of a mailbox, told without loss and without doubles, whatever breaks meanwhile.

The real product watches a real Dovecot through a proxy that cuts, stalls and refuses. Another
program appends, flags, expunges and moves while workers, the store and the whole product are
killed -9. At every checkpoint what the webhooks told, in their order, is replayed and compared
with the mailboxes as they truly are.

The history is seeded: `POSTROOM_HISTORY_SEED` gives another one, `POSTROOM_HISTORY_STEPS` and
`POSTROOM_HISTORY_SUBMISSIONS` longer ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from imaplib import IMAP4
from typing import Any

import pytest

from postroom.errors import StoreUnavailable
from tests.fakes.dovecot import Dovecot, message
from tests.fakes.fault_proxy import FaultProxy, Link, fault_proxy
from tests.fakes.smtp_sink import SmtpSink
from tests.fakes.webhook_receiver import WebhookReceiver, webhook_receiver
from tests.integration.hearing import arrived, hook_to, named, running_sink
from tests.integration.product import (
    Product,
    account_body,
    eventually,
    register,
    running_product,
)

SEED = int(os.environ.get("POSTROOM_HISTORY_SEED", "2026"))
STEPS = int(os.environ.get("POSTROOM_HISTORY_STEPS", "60"))
# Steps between two checkpoints; at each the product is allowed to catch up.
CHECK_EVERY = 60
# One fault for so many steps.
FAULT_EVERY = 6
# The supervisor gives up on a worker that ends six times without living for half a minute.
MOST_KILLS = 4
FORGIVEN_S = 45.0
CATCH_UP_S = 60.0
# A store command times out after 10 s, a silent worker is given up after 15 s: long runs go beyond.
LONGEST_FREEZE_S = 1.0 if STEPS <= CHECK_EVERY else 18.0
MAILBOXES = ("INBOX", "Archive", "Projects")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "work", "later")

# Long runs take their time.
pytestmark = pytest.mark.timeout(180 + 4 * STEPS)

Place = tuple[str, int]
State = dict[Place, frozenset[str]]


class Person:
    """The other program that works in the mailboxes, straight at the server."""

    def __init__(self, dovecot: Dovecot, user: str, dice: random.Random) -> None:
        self._client = dovecot.client(user)
        self._dice = dice
        self._user = user
        self.appended = 0

    def prepare(self) -> None:
        for mailbox in MAILBOXES[1:]:
            self._client.create(mailbox)
        for _ in range(4):
            self.append()

    def append(self) -> None:
        self.appended += 1
        raw = message(f"Mail {self.appended}", message_id=f"<{self.appended}@history>")
        flags = " ".join(self._dice.sample(FLAGS, self._dice.randrange(3)))
        mailbox = self._dice.choice(MAILBOXES[:2])
        status, reply = self._client.append(mailbox, f"({flags})", "", raw)
        assert status == "OK", reply

    def burst(self) -> None:
        for _ in range(self._dice.randrange(2, 6)):
            self.append()

    def flag(self) -> None:
        if uid := self._some():
            sign = self._dice.choice("+-")
            self._client.uid("STORE", uid, f"{sign}FLAGS", f"({self._dice.choice(FLAGS)})")

    def expunge(self) -> None:
        if uid := self._some():
            self._client.uid("STORE", uid, "+FLAGS", "(\\Deleted)")
            self._client.expunge()

    def move(self) -> None:
        if uid := self._some():
            self._client.uid("MOVE", uid, self._dice.choice(MAILBOXES))

    def add_remove_add(self) -> None:
        raw = message("Twice", message_id=f"<twice-{self.appended}@history>")
        self.appended += 1
        for is_last in (False, True):
            self._client.append("INBOX", "", "", raw)
            if not is_last:
                self._client.select("INBOX")
                self._client.uid("STORE", "*", "+FLAGS", "(\\Deleted)")
                self._client.expunge()

    def step(self) -> None:
        doings = (self.append, self.append, self.append, self.burst, self.flag, self.flag,
                  self.flag, self.expunge, self.move, self.move, self.add_remove_add)  # fmt: skip
        self._dice.choice(doings)()

    def state(self) -> State:
        """Every message with its flags, as the server has them."""
        found: State = {}
        for mailbox in MAILBOXES:
            for place, flags in _listed(self._client, mailbox):
                found[place] = flags
        return found

    def _some(self) -> str | None:
        """The UID of a message of a mailbox, which is selected then."""
        mailbox = self._dice.choice(MAILBOXES)
        places = [place for place, _ in _listed(self._client, mailbox)]
        return str(self._dice.choice(places)[1]) if places else None


def _listed(client: IMAP4, mailbox: str) -> list[tuple[Place, frozenset[str]]]:
    client.select(mailbox)
    _, rows = client.uid("FETCH", "1:*", "(UID FLAGS)")
    found = []
    for row in rows:
        if row and (match := re.search(rb"FLAGS \(([^)]*)\)", row)):
            uid = re.search(rb"UID (\d+)", row)
            assert uid is not None
            flags = frozenset(match.group(1).decode().split()) - {"\\Recent"}
            found.append(((mailbox, int(uid.group(1))), flags))
    return found


@dataclass
class Told:
    """What the webhooks say of the mailboxes, replayed from the state before the first one."""

    state: State
    faults: list[str] = field(default_factory=list)
    _gone: set[Place] = field(default_factory=set)
    _new: set[Place] = field(default_factory=set)

    def replay(self, hooks: WebhookReceiver) -> Told:
        seen: set[str] = set()
        for got in hooks.received:
            if got.event_id not in seen:
                seen.add(got.event_id)
                self._take(got.json)
        return self

    def _take(self, body: dict[str, Any]) -> None:
        data, event = body["data"], body["event"]
        if not event.startswith("message"):
            return
        place = (body["path"], data["uid"])
        if event == "messageNew":
            if place in self._new or place in self.state:
                self.faults.append(f"announced twice: {place}")
            self._new.add(place)
            self.state[place] = frozenset(data.get("flags", ()))
        elif event == "messageUpdated":
            if place not in self.state:
                self.faults.append(f"updated, not known: {place}")
            self.state[place] = frozenset(data["changes"]["flags"]["value"])
        elif event == "messageDeleted":
            if place not in self.state:
                self.faults.append(f"deleted, not known: {place}")
            self.state.pop(place, None)
            self._gone.add(place)
        elif event == "messageMissing" and place not in self.state:
            self._gone.add(place)


class Chaos:
    """Breaks something, now and then."""

    def __init__(self, product: Product, proxy: FaultProxy, user: str, dice: random.Random) -> None:
        self._product = product
        self._proxy = proxy
        self._user = user
        self._dice = dice
        self._kills: Counter[str] = Counter()
        self._killed_s: dict[str, float] = {}
        self.done: Counter[str] = Counter()

    async def strike(self) -> None:
        doings: tuple[Callable[[], Awaitable[None]], ...] = (
            self.cut, self.cut, self.cut_soon, self.cut_soon, self.stall, self.slow,
            self.refuse, self.kill_owner, self.kill_owner, self.kill_webhooks, self.kill_store,
            self.kill_product, self.freeze_owner, self.freeze_store,
        )  # fmt: skip
        doing = self._dice.choice(doings)
        self.done[doing.__name__] += 1
        await doing()

    async def cut(self) -> None:
        self._proxy.cut(reset=self._dice.random() < 0.5)
        await self._reconnect()

    async def cut_soon(self) -> None:
        """Cut each connection, the next ones too, in the middle of what it will say."""
        self._proxy.cut_after(from_server=self._dice.randrange(1, 3000))
        left = self._dice.randrange(1, 4)

        def programme(link: Any) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                link.left_from_server = self._dice.randrange(100, 8000)

        self._proxy.on_link = programme
        await self._reconnect()

    async def stall(self) -> None:
        self._proxy.stall()
        await asyncio.sleep(self._dice.random())
        self._proxy.flow()

    async def slow(self) -> None:
        self._proxy.latency_s = 0.05
        self._proxy.rate = 20_000

    async def refuse(self) -> None:
        self._proxy.refuses = True
        self._proxy.cut()
        await asyncio.sleep(self._dice.random())
        self._proxy.refuses = False
        await self._reconnect()

    async def kill_owner(self) -> None:
        if self._may("imap"):
            await _when_it_answers(lambda: self._product.kill_owner(self._user))

    async def kill_webhooks(self) -> None:
        if self._may("webhooks"):
            await _when_it_answers(lambda: self._product.kill_worker("webhooks"))

    async def kill_store(self) -> None:
        if self._may("store"):
            os.kill(await _when_it_answers(lambda: store_pid(self._product)), signal.SIGKILL)

    async def kill_product(self) -> None:
        if self._may("product"):
            await restart_killed(self._product)
            for kind in ("imap", "webhooks", "store"):
                self._kills[kind] = 0

    async def freeze_owner(self) -> None:
        """Pause a worker; a long pause costs it the account, and then its life."""
        if not self._may("imap"):
            return
        pid = await _when_it_answers(lambda: self._product.kill_owner(self._user, signal.SIGSTOP))
        await self._freeze(pid)

    async def freeze_store(self) -> None:
        """A long pause makes commands time out and reach the store all the same."""
        pid = await _when_it_answers(lambda: store_pid(self._product))
        os.kill(pid, signal.SIGSTOP)
        await self._freeze(pid)

    async def _freeze(self, pid: int) -> None:
        await asyncio.sleep(self._dice.random() * LONGEST_FREEZE_S)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    async def heal(self) -> None:
        self._proxy.on_link = None
        self._proxy.heal()

    async def _reconnect(self) -> None:
        """Spare the back-off: the next connection is what a cut is about."""
        path = f"/v1/account/{self._user}/reconnect"
        await self._product.call("PUT", path, {"reconnect": True})

    def _may(self, what: str) -> bool:
        now_s = time.monotonic()
        if now_s - self._killed_s.get(what, 0.0) > FORGIVEN_S:
            self._kills[what] = 0
        self._killed_s[what] = now_s
        self._kills[what] += 1
        return self._kills[what] <= (2 if what == "product" else MOST_KILLS)


async def _when_it_answers(ask: Callable[[], Awaitable[int]]) -> int:
    """The result of `ask`, tried until the store is there."""

    async def asked() -> int:
        try:
            return await ask()
        except StoreUnavailable:
            return 0

    return int(await eventually(asked))


async def store_pid(product: Product) -> int:
    """The process of the embedded store."""
    store = product.store()
    try:
        return int((await store.command("INFO", "server"))["process_id"])
    finally:
        await store.close()


async def restart_killed(product: Product) -> None:
    """Kill -9 the supervisor, with which everything dies, and start again."""
    assert product.process is not None
    product.process.kill()
    product.process.wait(5)
    await product.start()


async def registered_through(
    product: Product, proxy: FaultProxy, dovecot: Dovecot, user: str
) -> None:
    """Register the account behind the proxy, looking at every mailbox each second."""
    body = account_body(user, dovecot)
    body["imap"] |= {"port": proxy.port, "resyncDelay": 1}
    await product.ask("POST", "/v1/account", body)

    async def has_synced() -> bool:
        shown = await product.ask("GET", f"/v1/account/{user}")
        return shown["state"] == "connected" and bool(shown.get("syncTime"))

    await eventually(has_synced)


async def test_random_history_is_told_whole_and_without_doubles(dovecot: Dovecot) -> None:
    dice = random.Random(SEED)
    user = f"history-{SEED}"
    person = Person(dovecot, user, dice)
    await asyncio.to_thread(person.prepare)
    before = await asyncio.to_thread(person.state)
    async with (
        running_product() as product,
        webhook_receiver() as hooks,
        fault_proxy(dovecot.port) as proxy,
    ):
        await hook_to(product, hooks)
        await registered_through(product, proxy, dovecot, user)
        chaos = Chaos(product, proxy, user, dice)
        for number in range(1, STEPS + 1):
            await asyncio.to_thread(person.step)
            if number % FAULT_EVERY == 0:
                await chaos.strike()
            if number % CHECK_EVERY == 0 or number == STEPS:
                await chaos.heal()
                truth = await asyncio.to_thread(person.state)
                await check(product, user, hooks, before, truth)


async def check(
    product: Product, user: str, hooks: WebhookReceiver, before: State, truth: State
) -> None:
    """Let the product catch up; what was told then must be the truth, and each thing once."""

    def is_caught_up() -> bool:
        return Told(dict(before)).replay(hooks).state == truth

    await product.call("PUT", f"/v1/account/{user}/reconnect", {"reconnect": True})
    try:
        await eventually(is_caught_up, CATCH_UP_S)
    except AssertionError:
        told = Told(dict(before)).replay(hooks)
        differing = [
            (place, told.state[place], truth[place])
            for place in truth.keys() & told.state.keys()
            if told.state[place] != truth[place]
        ]
        raise AssertionError(
            f"seed {SEED}: not told {sorted(truth.keys() - told.state.keys())}, "
            f"not gone {sorted(told.state.keys() - truth.keys())}, "
            f"flags {differing}, {told.faults}"
        ) from None
    told = Told(dict(before)).replay(hooks)
    assert told.faults == []
    assert await doubles_in_log(product, user) == []


async def doubles_in_log(product: Product, user: str) -> list[bytes]:
    """The ids that the event log of the account has more than once."""
    store = product.store()
    try:
        rows = await store.command("XRANGE", store.keys.of(user, "events"), "-", "+")
    finally:
        await store.close()
    ids = Counter(_fields(row[1])[b"i"] for row in rows)
    return [event_id for event_id, times in ids.items() if times > 1]


def _fields(raw: Any) -> dict[bytes, bytes]:
    return raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))


SUBMISSIONS = int(os.environ.get("POSTROOM_HISTORY_SUBMISSIONS", "10"))
# Every message is larger than this, so a connection that is cut by then transmitted none whole.
BEFORE_THE_END = 1_000
# Each failed attempt waits 5 s, doubling: three faults in a row are the most a short test can bear.
SENT_S = 100.0
SMTP_KILLS = 3
PACE_S = 0.3
FEWEST_CONNECTIONS = 2


async def test_random_cuts_of_smtp_lose_and_double_no_message(dovecot: Dovecot) -> None:
    """Cut in any phase before the end of the data, with a kill of worker or store now and then.

    Only a kill between the server's taking a message and our knowing it may have it sent again.
    """
    dice = random.Random(SEED)

    def programme(link: Link) -> None:
        if dice.random() < 0.4:
            link.left_from_client = dice.randrange(1, BEFORE_THE_END)

    async with smtp_history(dovecot, f"cuts-{SEED}", programme) as history:
        await history.submit_all(dice, kills=SMTP_KILLS)
        await history.check()
        assert history.doubled <= SMTP_KILLS


async def test_lost_replies_of_smtp_end_each_message_once(dovecot: Dovecot) -> None:
    """The server may have taken what it could not confirm: sent again at worst, told once."""
    dice = random.Random(SEED)
    lost = 0

    def programme(link: Link) -> None:
        nonlocal lost
        if dice.random() < 0.3:
            lost += 1
            link.left_from_server = dice.randrange(1, 400)

    async with smtp_history(dovecot, f"lost-{SEED}", programme) as history:
        await history.submit_all(dice, kills=0)
        await history.check()
        assert history.doubled <= lost


@dataclass
class SmtpHistory:
    """An account that sends through a proxy."""

    product: Product
    hooks: WebhookReceiver
    sink: SmtpSink
    proxy: FaultProxy
    account: str
    accepted: set[str] = field(default_factory=set)

    async def submit_all(self, dice: random.Random, *, kills: int) -> None:
        """Submit the messages, each with an idempotency key, and repeat what was not answered."""
        deadly = set(dice.sample(range(SUBMISSIONS), min(kills, SUBMISSIONS)))
        for number in range(SUBMISSIONS):
            await self._submit(number)
            # A connection is kept for the next message; only a new one gets a fault.
            await asyncio.sleep(PACE_S)
            self.sink.drop_connections()
            if number in deadly and dice.random() < 0.7:
                await _when_it_answers(lambda: self.product.kill_worker("submit"))
            elif number in deadly:
                os.kill(await _when_it_answers(lambda: store_pid(self.product)), signal.SIGKILL)
        assert self.proxy.connections > FEWEST_CONNECTIONS, "too few to prove anything"
        self.proxy.on_link = None
        self.proxy.heal()

    async def _submit(self, number: int) -> None:
        body = {
            "to": [{"address": "x@example.com"}],
            "subject": f"Number {number}",
            "text": "Filling. " * 300,
        }
        path = f"/v1/account/{self.account}/submit"
        headers = {"Idempotency-Key": f"number-{number}"}

        async def is_accepted() -> bool:
            reply = await self.product.call("POST", path, body, headers)
            assert reply.status in {200, 503}, reply.body
            if reply.status == 200:
                self.accepted.add(reply.json["messageId"])
            return reply.status == 200

        await eventually(is_accepted)

    @property
    def doubled(self) -> int:
        """How many copies the sink has beyond the first ones."""
        return sum(times - 1 for times in arrived(self.sink).values())

    async def check(self) -> None:
        """Each accepted message is sent, ends in exactly one terminal event, and is at the sink."""
        await eventually(lambda: self._ends() >= Counter(self.accepted), SENT_S)
        assert self._ends() == Counter(self.accepted)
        assert set(arrived(self.sink)) == self.accepted

    def _ends(self) -> Counter[str]:
        ends = [*named(self.hooks, "messageSent"), *named(self.hooks, "messageFailed")]
        return Counter(got.json["data"]["messageId"] for got in ends)


@asynccontextmanager
async def smtp_history(
    dovecot: Dovecot, account: str, programme: Callable[[Link], None]
) -> AsyncIterator[SmtpHistory]:
    """A product whose account sends through a proxy that `programme` makes misbehave."""
    async with (
        running_product() as product,
        webhook_receiver() as hooks,
        running_sink() as sink,
        fault_proxy(sink.port) as proxy,
    ):
        await hook_to(product, hooks)
        await register(product, account, dovecot, proxy.port)
        proxy.on_link = programme
        yield SmtpHistory(product, hooks, sink, proxy, account)
