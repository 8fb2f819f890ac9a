"""Webhook lanes: which events wait for which destination of which account, in order.

A lane is a list of event log ids, never copies of events. The dispatcher moves ids from the log to
lanes in runs: one script pushes a run and moves the partition's mark, and does neither when the
mark is not where the run began. So each id comes to its lanes exactly once and in the order of the
log, with any number of dispatchers and a crash at any point; nothing has to be reclaimed. (With a
consumer group two dispatchers would share one partition out, and the later half could overtake.)
A lane is an item of the schedule `notify`: who holds its lease delivers, in order, and only the
holder takes the head off. All keys of a lane are of its account's partition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from postroom.clock import Clock
from postroom.store.connection import Argument, Store
from postroom.store.lease import Lease
from postroom.store.scripts import Script
from postroom.store.wake import channel, queue_topic

# Events moved to lanes by one script: some 10 ms of the server's time.
RUN_EVENTS = 200
# What one look at a lane brings: few round trips for small events, bounded memory for large ones.
READ_EVENTS = 32
READ_BYTES = 1024 * 1024
# 96 bits: no two of a billion lanes of one partition have the same name.
_LANE_HEX = 24
# The queue's name in keys and topics (the same word as `queue.schedule.NOTIFY`).
NOTIFY = "notify"
_SCHEDULE = f"schedule:{NOTIFY}"

LogId = str


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An entry of the event log; `payload` is empty where it was not asked for or is gone."""

    log_id: LogId
    account: str
    event: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive log entries that are on no lane yet; `mark` is where they begin."""

    partition: int
    mark: LogId
    events: tuple[LoggedEvent, ...]


@dataclass(frozen=True, slots=True)
class Push:
    """One event for one destination."""

    log_id: LogId
    account: str
    destination: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event on a lane; `payload` is empty when the log was trimmed past it."""

    log_id: LogId
    payload: bytes


@dataclass(frozen=True, slots=True)
class LaneHead:
    """The first events of a leased lane; `attempts` were made for the very first one."""

    account: str
    destination: str
    attempts: int
    events: tuple[Waiting, ...]


def lane_id(destination: str, account: str) -> str:
    """The name of the lane of a destination and an account."""
    digest = hashlib.sha256(f"{destination}\0{account}".encode())
    return digest.hexdigest()[:_LANE_HEX]


class Lanes:
    """The lanes of one store."""

    def __init__(self, store: Store, clock: Clock, lease_ms: int) -> None:
        """`lease_ms` is how long a lane is held for one attempt; longer than an attempt takes."""
        self._store = store
        self._clock = clock
        self._lease_ms = lease_ms

    async def next_run(self, partition: int, *, with_payloads: bool = False) -> Run:
        """The oldest events of the partition's log that are on no lane yet."""
        reply = await self._store.run(
            Script.DISPATCH_READ,
            [self._part(partition, "events"), self._part(partition, "dispatched")],
            [RUN_EVENTS, int(with_payloads)],
        )
        fields = zip(reply[1::4], reply[2::4], reply[3::4], reply[4::4], strict=True)
        events = tuple(
            LoggedEvent(log_id.decode(), account.decode(), event.decode(), payload)
            for log_id, account, event, payload in fields
        )
        return Run(partition, reply[0].decode(), events)

    async def push(self, run: Run, pushes: Sequence[Push]) -> bool:
        """Put the events of a run on their lanes; False when another dispatcher did it before.

        An event without a push is done with: no destination wants it.
        """
        keys = [self._part(run.partition, name) for name in ("dispatched", _SCHEDULE)]
        topic = queue_topic(NOTIFY, run.partition)
        last = run.events[-1].log_id
        now = self._clock.now_ms()
        arguments: list[Argument] = [run.mark, last, now, channel(self._store, topic)]
        for push in pushes:
            lane = lane_id(push.destination, push.account)
            keys += self._lane_keys(run.partition, lane)
            keys.append(self._store.keys.account(push.account, "lanes"))
            arguments += [push.log_id, lane, push.destination, push.account]
        return bool(await self._store.run(Script.DISPATCH_PUSH, keys, arguments))

    async def head(self, leased: Lease) -> LaneHead | None:
        """The first events of a leased lane; None when the lease was lost or the lane is gone."""
        stream = self._part(leased.partition, "events")
        reply = await self._store.run(
            Script.LANE_READ,
            [*self._schedule_keys(leased), *self._lane_keys(leased.partition, leased.item), stream],
            [leased.item, leased.token, READ_EVENTS, READ_BYTES],
        )
        if not reply:
            return None
        events = zip(reply[3::2], reply[4::2], strict=True)
        return LaneHead(
            reply[0].decode(),
            reply[1].decode(),
            int(reply[2]),
            tuple(Waiting(log_id.decode(), payload) for log_id, payload in events),
        )

    async def pop(self, leased: Lease, account: str, log_id: LogId) -> bool:
        """Take the delivered or dead head off and prolong the lease; False: the lease was lost."""
        until = self._clock.now_ms() + self._lease_ms
        keys = [
            *self._schedule_keys(leased),
            *self._lane_keys(leased.partition, leased.item),
            self._store.keys.account(account, "lanes"),
        ]
        arguments: list[Argument] = [leased.item, leased.token, log_id, until]
        return bool(await self._store.run(Script.LANE_POP, keys, arguments))

    async def retry(self, leased: Lease, due_ms: int) -> bool:
        """Count a failed attempt at the head and let the lane sleep; False: the lease was lost."""
        state = self._part(leased.partition, f"lane-state:{leased.item}")
        keys = [*self._schedule_keys(leased), state]
        arguments: list[Argument] = [leased.item, leased.token, due_ms]
        return bool(await self._store.run(Script.LANE_RETRY, keys, arguments))

    async def take(self, leased: Lease, put_off_until_ms: int) -> bool:
        """Lease a lane again that this process put off, under the token that it had.

        False when it is held or gone, or when its time is another one by now.
        """
        until = self._clock.now_ms() + self._lease_ms
        arguments: list[Argument] = [leased.item, leased.token, put_off_until_ms, until]
        return bool(await self._store.run(Script.LANE_TAKE, self._schedule_keys(leased), arguments))

    async def oldest_needed(self, partition: int) -> LogId:
        """The first log id that trimming must keep: on a lane, or on no lane yet.

        The mark is read before the lanes: an event that is dispatched in between is seen by both.
        """
        mark = await self._store.command("GET", self._part(partition, "dispatched"))
        needed = _after(mark.decode() if mark else "0-0")
        lanes = await self._store.command("ZRANGE", self._part(partition, _SCHEDULE), 0, -1)
        heads: list[bytes | None] = await self._store.batch(
            [("LINDEX", self._part(partition, f"lane:{lane.decode()}"), 0) for lane in lanes]
        )
        return min([needed, *(head.decode() for head in heads if head)], key=_order)

    def _part(self, partition: int, name: str) -> str:
        return self._store.keys.part(partition, name)

    def _schedule_keys(self, leased: Lease) -> list[str]:
        return [self._part(leased.partition, name) for name in (_SCHEDULE, f"leases:{NOTIFY}")]

    def _lane_keys(self, partition: int, lane: str) -> list[str]:
        return [self._part(partition, f"lane:{lane}"), self._part(partition, f"lane-state:{lane}")]


def _order(log_id: LogId) -> tuple[int, int]:
    milliseconds, _, sequence = log_id.partition("-")
    return int(milliseconds), int(sequence)


def _after(log_id: LogId) -> LogId:
    milliseconds, sequence = _order(log_id)
    return f"{milliseconds}-{sequence + 1}"
