"""The events of sending, as drafts (contract webhooks.json, F10); pure."""

from __future__ import annotations

from typing import Any

from postroom.clock import iso
from postroom.model.event import EventDraft, EventType
from postroom.model.outgoing import OutgoingMessage
from postroom.providers.interface import NotAccepted

# Contract F10: the reported next attempt is now + 2^attemptsMade * 5 s.
_REPORTED_STEP_MS = 5_000
# 2^30 * 5 s is 170 years: no date needs more, and dates end in the year 9999.
_LARGEST_EXPONENT = 30


def sent(record: OutgoingMessage) -> EventDraft:
    """The server took the message: messageSent."""
    data: dict[str, Any] = {
        "messageId": record.message_id,
        "queueId": record.queue_id,
        "response": record.response or "",
        "envelope": _envelope(record),
    }
    if record.original_message_id is not None:
        # The contract's `messageId` is the id that the message goes by now.
        data["messageId"] = record.original_message_id
        data["originalMessageId"] = record.message_id
    if record.rejected:
        data["rejected"] = list(record.rejected)
    return EventDraft(event=EventType.MESSAGE_SENT, data=data)


def attempt_failed(
    record: OutgoingMessage, failure: NotAccepted, now_ms: int, *, is_last: bool
) -> EventDraft:
    """One attempt failed: messageDeliveryError."""
    data: dict[str, Any] = {
        "queueId": record.queue_id,
        "envelope": _envelope(record),
        "messageId": record.message_id,
        "error": failure.text,
        "errorCode": failure.code,
        "job": {
            "id": record.queue_id,
            "attemptsMade": record.attempts_made,
            "attempts": record.attempts_allowed,
            "nextAttempt": False if is_last else iso(_reported_next(record, now_ms)),
        },
    }
    if failure.response is not None:
        data["smtpResponse"] = failure.response
    if failure.response_code is not None:
        data["smtpResponseCode"] = failure.response_code
    if failure.command is not None:
        data["smtpCommand"] = failure.command
    return EventDraft(event=EventType.MESSAGE_DELIVERY_ERROR, data=data)


def failed(record: OutgoingMessage, text: str) -> EventDraft:
    """The message is given up: messageFailed."""
    data = {
        "messageId": record.message_id,
        "queueId": record.queue_id,
        "error": text,
        "envelope": _envelope(record),
    }
    return EventDraft(event=EventType.MESSAGE_FAILED, data=data)


def health(failure: NotAccepted, now_ms: int) -> dict[str, Any]:
    """The account's smtpStatus after a failure (contract errors.md)."""
    return {
        "status": "error",
        "code": failure.code,
        "response": failure.response,
        "responseCode": failure.response_code,
        "command": failure.command,
        "description": failure.text,
        "created": iso(now_ms),
    }


def good_health(response: str, now_ms: int) -> dict[str, Any]:
    """The account's smtpStatus after a success."""
    return {"status": "ok", "response": response, "created": iso(now_ms)}


def _reported_next(record: OutgoingMessage, now_ms: int) -> int:
    exponent = min(record.attempts_made, _LARGEST_EXPONENT)
    return int(now_ms + 2**exponent * _REPORTED_STEP_MS)


def _envelope(record: OutgoingMessage) -> dict[str, Any]:
    return {"from": record.envelope_from, "to": list(record.envelope_to)}
