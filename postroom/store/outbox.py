"""The outbox: messages between acceptance and delivery.

A message is a hash (`record` = OutgoingMessage as JSON, `raw` = the MIME bytes with Bcc) and an
item of the `submit` schedule, both in the account's partition, so that every step is one script:
queueing, marking, retrying, finishing, giving up, each with its events (invariants I15, I16, I20).
Only the holder of the lease writes; a step that comes too late changes nothing and says False.
A queue id has the contract's form (A10) and tells nothing of the partition: finding one by the id
alone asks all partitions in one round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from postroom.clock import Clock
from postroom.errors import AccountNotFound, DeadlineExceeded, StoreUnavailable
from postroom.model.event import PreparedEvent
from postroom.model.ids import new_queue_id
from postroom.model.outgoing import OutgoingMessage
from postroom.store.connection import Argument, Store
from postroom.store.event_arguments import triples
from postroom.store.idempotency import Claim, IdempotencyKeys
from postroom.store.keys import PARTITIONS, partition_of
from postroom.store.lease import Lease
from postroom.store.queued import (
    Place,
    Queued,
    QueuedPage,
    decode_message,
    places_of,
    readable,
    shown_as,
)
from postroom.store.scripts import Script
from postroom.store.wake import channel, events_topic, queue_topic

# Contract G4: failed jobs are kept for 7 days, and no more than 500 of them.
FAILED_KEPT = 500
FAILED_KEPT_MS = 7 * 86_400_000
# Two messages of the same millisecond share 32 random bits: a second draw is rare, a fifth a bug.
ID_DRAWS = 5
# A deletion loses its compare-and-set only to the worker that writes the same record.
DELETE_TRIES = 20
# The queue's name in keys and topics (the same word as `queue.schedule.SUBMIT`).
SUBMIT = "submit"

# The method `list` hides the type inside the class.
List = list


class Outbox:
    """All queued messages of all accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.keys = IdempotencyKeys(store, clock)

    def _key(self, partition: int, name: str) -> str:
        return self._store.keys.part(partition, name)

    async def put(
        self,
        record: OutgoingMessage,
        raw: bytes,
        *,
        claim: Claim | None = None,
        answer: bytes = b"",
    ) -> bool:
        """Queue a message and store the answer of its idempotency claim, or nothing of it.

        False when the queue id is taken (draw another). Raises AccountNotFound, and
        DeadlineExceeded when the claim ran out and is someone else's now.
        """
        account = record.account
        partition = partition_of(account)
        keys = self._store.keys
        reply = await self._store.run(
            Script.OUTBOX_PUT,
            [
                keys.of(account, f"outbox:{record.queue_id}"),
                keys.account(account, "outboxes"),
                keys.of(account, f"schedule:{SUBMIT}"),
                keys.account(account),
                claim.bucket if claim else keys.account(account),
            ],
            [
                record.queue_id,
                msgspec.json.encode(record),
                raw,
                record.send_at_ms,
                channel(self._store, queue_topic(SUBMIT, partition)),
                claim.key if claim else "",
                claim.token if claim else "",
                answer,
            ],
        )
        if reply == -2:
            raise AccountNotFound("Account not found")
        if reply == 0:
            raise DeadlineExceeded("The submission took too long and was dropped")
        return int(reply) == 1

    def new_id(self, send_at_ms: int) -> str:
        """A fresh queue id."""
        return new_queue_id(send_at_ms)

    async def load(self, leased: Lease) -> tuple[OutgoingMessage, bytes] | None:
        """The record and the MIME bytes of a leased message; None when it is gone.

        Raises msgspec.MsgspecError for a record that is damaged.
        """
        key = self._key(leased.partition, f"outbox:{leased.item}")
        record, raw = await self._store.command("HMGET", key, "record", "raw")
        if record is None or raw is None:
            return None
        return decode_message(record), raw

    async def remains(self, leased: Lease) -> OutgoingMessage | None:
        """What can still be told of a leased message with a damaged record."""
        key = self._key(leased.partition, f"outbox:{leased.item}")
        record = await self._store.command("HGET", key, "record")
        return None if record is None else readable(record, leased.item)

    async def get(self, queue_id: str) -> Queued | None:
        """One message by its id; None when its content is gone (contract G2)."""
        found = await self._find(queue_id)
        if found is None:
            return None
        record, raw = await self._store.command(
            "HMGET", self._key(found, f"outbox:{queue_id}"), "record", "raw"
        )
        if record is None or raw is None:
            return None
        score = await self._store.command(
            "ZSCORE", self._key(found, f"schedule:{SUBMIT}"), queue_id
        )
        place = Place(found, queue_id, int(float(score or 0)), is_failed=score is None)
        shown = await self._show([place])
        return shown[0] if shown else None

    async def source(self, queue_id: str) -> bytes | None:
        """The MIME bytes of one message."""
        replies = await self._everywhere("HGET", f"outbox:{queue_id}", "raw")
        return next((reply for reply in replies if reply is not None), None)

    async def list(self, page: int = 0, page_size: int = 20) -> QueuedPage:
        """A page over all accounts: by due time, then the failed ones, newest first."""
        end = (page + 1) * page_size
        last = end - 1
        scheduled = await self._everywhere("ZRANGE", f"schedule:{SUBMIT}", 0, last, "WITHSCORES")
        failed = await self._everywhere("ZREVRANGE", f"failed:{SUBMIT}", 0, last, "WITHSCORES")
        counts = await self._everywhere("ZCARD", f"schedule:{SUBMIT}")
        counts += await self._everywhere("ZCARD", f"failed:{SUBMIT}")
        places = sorted(places_of(scheduled, is_failed=False), key=lambda place: place.score)
        places += sorted(places_of(failed, is_failed=True), key=lambda place: -place.score)
        shown = await self._show(places[page * page_size : end])
        return QueuedPage(sum(counts), tuple(shown))

    async def delete(
        self,
        queue_id: str,
        announced: Callable[[OutgoingMessage], Sequence[PreparedEvent]] = lambda record: (),
    ) -> bool:
        """Remove a message unless a worker is at it; False when active or unknown.

        `announced` gives the events to log with it; it may be asked again.
        """
        for _ in range(DELETE_TRIES):
            partition = await self._find(queue_id)
            if partition is None:
                return False
            key = self._key(partition, f"outbox:{queue_id}")
            raw = await self._store.command("HGET", key, "record")
            reply = await self._delete(partition, queue_id, raw or b"", announced)
            if reply >= 0:
                return reply == 1
        raise StoreUnavailable("The message is being changed by a worker")

    async def _delete(
        self,
        partition: int,
        queue_id: str,
        raw: bytes,
        announced: Callable[[OutgoingMessage], Sequence[PreparedEvent]],
    ) -> int:
        record = readable(raw, queue_id)
        account = record.account if record else ""
        keys = [
            self._key(partition, f"schedule:{SUBMIT}"),
            self._key(partition, f"leases:{SUBMIT}"),
            self._key(partition, f"outbox:{queue_id}"),
            self._key(partition, f"outboxes:{account}"),
            self._key(partition, f"failed:{SUBMIT}"),
            self._key(partition, "events"),
            self._store.keys.account(account),
        ]
        arguments: List[Argument] = [queue_id, self._clock.now_ms(), raw, account]
        arguments.append(channel(self._store, events_topic(partition)))
        arguments += triples(announced(record) if record else ())
        return int(await self._store.run(Script.OUTBOX_DELETE, keys, arguments))

    async def mark(
        self,
        leased: Lease,
        record: OutgoingMessage,
        lease_ms: int,
        events: Sequence[PreparedEvent] = (),
    ) -> bool:
        """Write the record, log the events and prolong the lease; False when it was lost."""
        until = self._clock.now_ms() + lease_ms
        return await self._settle(Script.OUTBOX_MARK, leased, record, until, events)

    async def retry(
        self,
        leased: Lease,
        record: OutgoingMessage,
        due_ms: int,
        events: Sequence[PreparedEvent] = (),
    ) -> bool:
        """Give the message back for another try at `due_ms`; False when the lease was lost."""
        return await self._settle(Script.OUTBOX_RETRY, leased, record, due_ms, events)

    async def fail(
        self, leased: Lease, record: OutgoingMessage, events: Sequence[PreparedEvent]
    ) -> bool:
        """Give the message up, with its terminal event; False when the lease was lost."""
        now = self._clock.now_ms()
        return await self._settle(Script.OUTBOX_FAIL, leased, record, now, events)

    async def finish(self, leased: Lease, account: str) -> bool:
        """Remove a delivered message, or an item without a record; False: the lease was lost."""
        keys = [
            *self._queue_keys(leased),
            self._key(leased.partition, f"outboxes:{account}"),
        ]
        reply = await self._store.run(Script.OUTBOX_FINISH, keys, [leased.item, leased.token])
        return bool(reply)

    async def sweep(self) -> None:
        """Forget failed messages that are past their time, in all partitions."""
        for partition in range(PARTITIONS):
            await self._store.run(
                Script.OUTBOX_SWEEP,
                [self._key(partition, f"failed:{SUBMIT}")],
                self._retention(partition),
            )

    def _queue_keys(self, leased: Lease) -> List[str]:
        return [
            self._key(leased.partition, f"schedule:{SUBMIT}"),
            self._key(leased.partition, f"leases:{SUBMIT}"),
            self._key(leased.partition, f"outbox:{leased.item}"),
        ]

    def _retention(self, partition: int) -> List[Argument]:
        return [
            self._key(partition, "outbox:"),
            self._key(partition, "outboxes:"),
            self._clock.now_ms() - FAILED_KEPT_MS,
            FAILED_KEPT,
        ]

    async def _settle(
        self,
        script: Script,
        leased: Lease,
        record: OutgoingMessage,
        at_ms: int,
        events: Sequence[PreparedEvent],
    ) -> bool:
        partition = leased.partition
        keys = [
            *self._queue_keys(leased),
            self._key(partition, "events"),
            self._store.keys.account(record.account),
            self._key(partition, f"failed:{SUBMIT}"),
        ]
        arguments: List[Argument] = [
            leased.item,
            leased.token,
            msgspec.json.encode(record),
            at_ms,
            record.account,
            channel(self._store, events_topic(partition)),
            *triples(events),
        ]
        if script is Script.OUTBOX_FAIL:
            arguments += self._retention(partition)
        return bool(await self._store.run(script, keys, arguments))

    async def _everywhere(self, word: str, name: str, *rest: Argument) -> List[Any]:
        commands = [[word, self._key(at, name), *rest] for at in range(PARTITIONS)]
        return await self._store.batch(commands)

    async def _find(self, queue_id: str) -> int | None:
        replies = await self._everywhere("EXISTS", f"outbox:{queue_id}")
        return next((at for at, found in enumerate(replies) if found), None)

    async def _show(self, places: Sequence[Place]) -> List[Queued]:
        commands: List[List[Argument]] = []
        for place in places:
            key = self._key(place.partition, f"outbox:{place.item}")
            commands.append(["HGET", key, "record"])
            leases = self._key(place.partition, f"leases:{SUBMIT}")
            commands.append(["HEXISTS", leases, place.item])
        replies = await self._store.batch(commands)
        now = self._clock.now_ms()
        shown = []
        for place, record, leased in zip(places, replies[::2], replies[1::2], strict=True):
            message = None if record is None else readable(record, place.item)
            if message is not None:
                shown.append(shown_as(place, message, bool(leased), now))
        return shown
