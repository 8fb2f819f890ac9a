"""How a queued message stands, read off the schedule and the leases (contract G1); pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from postroom.model.outgoing import OutgoingMessage
from postroom.model.value import Value


class QueueState(enum.StrEnum):
    """Where a queued message stands (contract G1)."""

    WAITING = "waiting"
    DELAYED = "delayed"
    ACTIVE = "active"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Queued:
    """A message as the list shows it; `due_ms` is the next attempt, None when there is none."""

    record: OutgoingMessage
    state: QueueState
    due_ms: int | None


@dataclass(frozen=True, slots=True)
class QueuedPage:
    total: int
    items: tuple[Queued, ...]


@dataclass(frozen=True, slots=True)
class Place:
    partition: int
    item: str
    score: int
    is_failed: bool


def decode_message(raw: bytes) -> OutgoingMessage:
    """The record as the outbox wrote it."""
    return msgspec.json.decode(raw, type=OutgoingMessage)


def readable(raw: bytes, queue_id: str) -> OutgoingMessage | None:
    """The record; of a damaged one what names it, and None when not even its account is known."""
    try:
        return decode_message(raw)
    except msgspec.MsgspecError:
        return _remains(raw, queue_id)


def _remains(raw: bytes, queue_id: str) -> OutgoingMessage | None:
    try:
        named = msgspec.json.decode(raw, type=_Named)
    except msgspec.MsgspecError:
        return None
    return OutgoingMessage(
        queue_id=queue_id,
        account=named.account,
        message_id=named.message_id,
        envelope_from="",
        envelope_to=(),
    )


class _Named(Value, frozen=True, kw_only=True):
    account: str
    message_id: str = ""


def places_of(replies: Sequence[object], *, is_failed: bool) -> list[Place]:
    """The items of one sorted set per partition, as ZRANGE WITHSCORES gave them."""
    found: list[Place] = []
    for partition, reply in enumerate(replies):
        flat = _flat(reply)
        found += [
            Place(partition, item.decode(), int(float(score)), is_failed)
            for item, score in zip(flat[::2], flat[1::2], strict=True)
        ]
    return found


def _flat(reply: object) -> list[bytes]:
    """RESP2 gives item, score, item, score; RESP3 gives pairs."""
    entries = reply if isinstance(reply, list) else []
    return [part for entry in entries for part in (entry if isinstance(entry, list) else [entry])]


def shown_as(place: Place, record: OutgoingMessage, is_leased: bool, now_ms: int) -> Queued:
    """The message at `place` with its state."""
    if place.is_failed or record.phase == "failed":
        return Queued(record, QueueState.FAILED, None)
    if place.score <= now_ms:
        return Queued(record, QueueState.WAITING, place.score)
    if is_leased:
        return Queued(record, QueueState.ACTIVE, None)
    return Queued(record, QueueState.DELAYED, place.score)
