"""Every event: when it happens, what its data holds, which accounts have it (webhooks.json).

The manual, the settings page and the webhook filter read this table. A field ends in `?` when it
may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from postroom.model.event import EventType

AccountKind = Literal["imap", "gmailApi", "msGraph"]
_ALL: tuple[AccountKind, ...] = ("imap", "gmailApi", "msGraph")
_IMAP: tuple[AccountKind, ...] = ("imap",)


@dataclass(frozen=True, slots=True)
class EventEntry:
    """One event of the contract; `has_path` tells that it is about a mailbox."""

    event: EventType
    when: str
    data: tuple[str, ...]
    accounts: tuple[AccountKind, ...] = _ALL
    has_path: bool = False


_MESSAGES = (
    EventEntry(
        EventType.MESSAGE_NEW,
        "A mailbox holds a message that was not there before.",
        (
            "id",
            "uid?",
            "path?",
            "emailId?",
            "threadId?",
            "date",
            "flags?",
            "labels?",
            "unseen?",
            "flagged?",
            "answered?",
            "draft?",
            "size?",
            "subject?",
            "from?",
            "replyTo?",
            "sender?",
            "to?",
            "cc?",
            "bcc?",
            "messageId?",
            "inReplyTo?",
            "attachments?",
            "headers?",
            "text?",
            "bounces?",
            "deliveryReport?",
            "isAutoReply?",
            "seemsLikeNew?",
            "category?",
            "messageSpecialUse?",
            "calendarEvents?",
            "summary?",
            "riskAssessment?",
            "embeddings?",
        ),
        has_path=True,
    ),
    EventEntry(
        EventType.MESSAGE_UPDATED,
        "The flags, labels or categories of a known message are others than before.",
        ("id", "uid?", "threadId?", "changes"),
        has_path=True,
    ),
    EventEntry(
        EventType.MESSAGE_DELETED,
        "A known message has left its mailbox, by deletion or by a move.",
        ("id", "uid?", "threadId?", "flags?", "labels?", "category?"),
        has_path=True,
    ),
    EventEntry(
        EventType.MESSAGE_MISSING,
        "The server named a new message but did not hand it over, however often it was asked.",
        ("id", "uid?", "missingRetries?", "missingDelay?"),
        has_path=True,
    ),
    EventEntry(
        EventType.MESSAGE_MOVED,
        "Besides messageDeleted and messageNew: both were the same message, by the server's stable "
        "id of it (OBJECTID, Gmail). Told while the setting notifyMoved is on, of messages that "
        "were announced since.",
        ("id", "uid", "path", "emailId", "previous"),
        _IMAP,
        has_path=True,
    ),
)

_SENDING = (
    EventEntry(
        EventType.MESSAGE_SENT,
        "The outgoing server took a queued message.",
        ("messageId", "originalMessageId?", "response?", "queueId", "envelope", "networkRouting?"),
    ),
    EventEntry(
        EventType.MESSAGE_DELIVERY_ERROR,
        "One attempt to send a queued message failed, be it the last one or not.",
        (
            "queueId",
            "envelope",
            "messageId?",
            "error",
            "errorCode?",
            "smtpResponse?",
            "smtpResponseCode?",
            "smtpCommand?",
            "networkRouting?",
            "job",
        ),
    ),
    EventEntry(
        EventType.MESSAGE_FAILED,
        "A queued message will not be tried again.",
        ("messageId", "queueId", "error", "envelope?", "networkRouting?"),
    ),
    EventEntry(
        EventType.MESSAGE_BOUNCE,
        "An incoming message reports that a sent one was not delivered.",
        (
            "id?",
            "bounceMessage",
            "recipient",
            "action",
            "response?",
            "mta?",
            "queueId?",
            "messageId?",
            "messageHeaders?",
        ),
    ),
    EventEntry(
        EventType.MESSAGE_COMPLAINT,
        "An incoming message reports that a recipient complained (ARF, RFC 5965).",
        ("complaintMessage", "arf", "headers?"),
    ),
)

_MAILBOXES = (
    EventEntry(
        EventType.MAILBOX_NEW,
        "A mailbox appeared after the first sync.",
        ("path", "name", "specialUse?", "uidValidity"),
        _IMAP,
        has_path=True,
    ),
    EventEntry(
        EventType.MAILBOX_DELETED,
        "A known mailbox is gone.",
        ("path", "name", "specialUse?"),
        _IMAP,
        has_path=True,
    ),
    EventEntry(
        EventType.MAILBOX_RESET,
        "The index of a mailbox is built anew: its UIDVALIDITY changed or the index was lost.",
        ("path", "name", "specialUse?", "uidValidity", "prevUidValidity?", "reason"),
        _IMAP,
        has_path=True,
    ),
)

_ACCOUNTS = (
    EventEntry(EventType.ACCOUNT_ADDED, "An account was registered.", ("account",)),
    EventEntry(
        EventType.ACCOUNT_INITIALIZED, "The first sync of an account ended well.", ("initialized",)
    ),
    EventEntry(EventType.ACCOUNT_DELETED, "An account was removed.", ("account",)),
    EventEntry(
        EventType.AUTHENTICATION_SUCCESS,
        "A login worked, the first one or the first after an error.",
        ("user",),
    ),
    EventEntry(
        EventType.AUTHENTICATION_ERROR,
        "A login or a token renewal was refused; the same refusal is told once.",
        ("response", "serverResponseCode?", "tokenRequest?"),
    ),
    EventEntry(
        EventType.CONNECT_ERROR,
        "A server could not be reached; the same failure is told once.",
        ("response", "serverResponseCode?"),
    ),
)

_RECIPIENTS = (
    EventEntry(
        EventType.TRACK_OPEN,
        "A person seems to have opened a sent message.",
        ("messageId", "remoteAddress", "userAgent?"),
    ),
    EventEntry(
        EventType.TRACK_CLICK,
        "A person seems to have followed a link of a sent message.",
        ("messageId", "remoteAddress", "userAgent?", "url"),
    ),
    EventEntry(
        EventType.LIST_UNSUBSCRIBE,
        "A recipient left a list.",
        ("recipient", "messageId?", "listId", "remoteAddress", "userAgent?"),
    ),
    EventEntry(
        EventType.LIST_SUBSCRIBE,
        "A recipient came back to a list.",
        ("recipient", "messageId?", "listId", "remoteAddress", "userAgent?"),
    ),
)

_EXPORTS = (
    EventEntry(
        EventType.EXPORT_COMPLETED,
        "An export is ready.",
        (
            "exportId",
            "folders",
            "startDate",
            "endDate",
            "messagesExported",
            "messagesSkipped",
            "bytesWritten",
            "duration",
            "expiresAt",
        ),
    ),
    EventEntry(
        EventType.EXPORT_FAILED,
        "An export ended with an error.",
        ("exportId", "error", "errorCode?", "phase", "messagesExported", "messagesQueued"),
    ),
)

EVENTS: Mapping[EventType, EventEntry] = {
    entry.event: entry
    for entry in (*_MESSAGES, *_SENDING, *_MAILBOXES, *_ACCOUNTS, *_RECIPIENTS, *_EXPORTS)
}
