"""Prepared events as the arguments that `_append.lua` reads: a count, then triples."""

from __future__ import annotations

from collections.abc import Sequence

from postroom.model.event import PreparedEvent
from postroom.store.connection import Argument


def triples(events: Sequence[PreparedEvent]) -> list[Argument]:
    """`[count, id, type, payload, id, type, payload, ...]`."""
    arguments: list[Argument] = [len(events)]
    for event in events:
        arguments += [event.event_id, event.event, event.payload]
    return arguments
