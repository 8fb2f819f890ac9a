"""What can be read of a FETCH response that breaks the grammar.

Servers have sent envelopes with a quote too many, structures with a bracket too few, keywords
with a quote in them. Most write the short items first, so those are read by patterns up to the
first thing that is not one of them. A listing then still knows that the message is there and which
flags it has; the message itself is one without what was asked for.
"""

from __future__ import annotations

import re

from postroom.imap import reading
from postroom.imap.dates import parse_internal_date
from postroom.imap.types import FetchedMessage

_START = re.compile(rb"\* (\d{1,10}) FETCH \(", re.IGNORECASE)
_ITEM = re.compile(
    rb"(?:UID (?P<uid>\d{1,10})|FLAGS \((?P<flags>[^()\r\n]{0,2000})\)"
    rb"|MODSEQ \((?P<modseq>\d{1,20})\)|RFC822\.SIZE (?P<size>\d{1,20})"
    rb'|INTERNALDATE "(?P<date>[^"\r\n]{0,40})")(?: |\)?\Z)',
    re.IGNORECASE,
)
# UID, FLAGS, MODSEQ, RFC822.SIZE, INTERNALDATE: each at most once.
_MOST_ITEMS = 5


def salvage(raw: bytes) -> FetchedMessage | None:
    """The message that a broken FETCH response begins to tell of."""
    start = _START.match(raw)
    seq = reading.message_number(start[1]) if start is not None else None
    if start is None or seq is None:
        return None
    told: dict[str, bytes] = {}
    at = start.end()
    for _ in range(_MOST_ITEMS):
        found = _ITEM.match(raw, at)
        if found is None:
            break
        told |= {name: value for name, value in found.groupdict().items() if value is not None}
        at = found.end()
    flags = told.get("flags")
    return FetchedMessage(
        seq,
        reading.message_number(told.get("uid")),
        None if flags is None else reading.flags([*flags.decode("latin-1").split()]),
        reading.number(told.get("modseq")),
        reading.number(told.get("size")),
        parse_internal_date(told.get("date")),
    )
