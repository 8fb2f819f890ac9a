"""What a new message is besides new: pure, from the message and what the account has seen.

Contract C11: it `seemsLikeNew` when its Message-ID was never seen in the account before and it
does not lie in Sent or Drafts. Auto-replies (H6) are told by the headers, in the provider's
summary; bounces and complaints join here later.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postroom.clock import iso
from postroom.model.event import EventDraft, EventType
from postroom.model.mailbox import MailboxCursor
from postroom.model.message import MessageDetail

_OWN_MAIL = frozenset({"\\Sent", "\\Drafts"})


def sights(details: Sequence[MessageDetail]) -> list[str]:
    """The Message-IDs of the messages that have one, in order."""
    return [detail.message_id for detail in details if detail.message_id]


def arrivals(
    cursor: MailboxCursor,
    details: Sequence[MessageDetail],
    first_sights: Sequence[bool],
    now_ms: int,
) -> list[EventDraft]:
    """The messageNew events; `first_sights` answers `sights(details)`."""
    answers = iter(first_sights)
    drafts = []
    for detail in details:
        is_first = next(answers) if detail.message_id else True
        drafts.append(_draft(cursor, detail, is_first=is_first, now_ms=now_ms))
    return drafts


def _draft(
    cursor: MailboxCursor, detail: MessageDetail, *, is_first: bool, now_ms: int
) -> EventDraft:
    data = msgspec.structs.replace(
        detail,
        # webhooks.json: the date is required, the special use is the envelope's.
        date=detail.date or iso(now_ms),
        special_use=None,
        seems_like_new=is_first and cursor.special_use not in _OWN_MAIL,
    )
    return EventDraft(
        event=EventType.MESSAGE_NEW,
        data=data,
        path=cursor.path,
        special_use=cursor.special_use,
    )
