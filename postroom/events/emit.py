"""Drafts become prepared events: an id for ever, a date, and the bytes of the log entry.

Nothing is written here. The caller hands the result to the store script that also writes the
state that the events are about, so that log and state are one write (invariant I15).
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable

from postroom.clock import iso
from postroom.model.event import Event, EventDraft, PreparedEvent
from postroom.model.wire import encode

# Below this, deflate saves too little to pay for itself; above are messageNew with text.
COMPRESS_ABOVE_BYTES = 1024


def prepare(account: str, drafts: Iterable[EventDraft], now_ms: int) -> list[PreparedEvent]:
    """The drafts of one account as log entries; secrets in the data are masked."""
    date = iso(now_ms)
    return [_prepared(account, draft, date) for draft in drafts]


def _prepared(account: str, draft: EventDraft, date: str) -> PreparedEvent:
    event = Event(
        event_id=str(uuid.uuid4()),
        account=account,
        date=date,
        event=draft.event,
        path=draft.path,
        special_use=draft.special_use,
        data=draft.data,
    )
    payload = encode(event)
    if len(payload) > COMPRESS_ABOVE_BYTES:
        payload = zlib.compress(payload)
    return PreparedEvent(event_id=event.event_id, event=str(draft.event), payload=payload)
