"""An event: one thing that happened to an account, with one id for ever."""

from __future__ import annotations

import enum
from typing import Any

from postroom.model.value import Timestamp, Value


class EventType(enum.StrEnum):
    """Every event name of the contract; prose and payloads are in `events/catalogue.py`."""

    MESSAGE_NEW = "messageNew"
    MESSAGE_UPDATED = "messageUpdated"
    MESSAGE_DELETED = "messageDeleted"
    MESSAGE_MISSING = "messageMissing"
    # Our own addition to the contract; see the setting notifyMoved.
    MESSAGE_MOVED = "messageMoved"
    MESSAGE_SENT = "messageSent"
    MESSAGE_DELIVERY_ERROR = "messageDeliveryError"
    MESSAGE_FAILED = "messageFailed"
    MESSAGE_BOUNCE = "messageBounce"
    MESSAGE_COMPLAINT = "messageComplaint"
    MAILBOX_NEW = "mailboxNew"
    MAILBOX_DELETED = "mailboxDeleted"
    MAILBOX_RESET = "mailboxReset"
    ACCOUNT_ADDED = "accountAdded"
    ACCOUNT_INITIALIZED = "accountInitialized"
    ACCOUNT_DELETED = "accountDeleted"
    AUTHENTICATION_SUCCESS = "authenticationSuccess"
    AUTHENTICATION_ERROR = "authenticationError"
    CONNECT_ERROR = "connectError"
    TRACK_OPEN = "trackOpen"
    TRACK_CLICK = "trackClick"
    LIST_UNSUBSCRIBE = "listUnsubscribe"
    LIST_SUBSCRIBE = "listSubscribe"
    EXPORT_COMPLETED = "exportCompleted"
    EXPORT_FAILED = "exportFailed"


class EventDraft(Value, frozen=True, kw_only=True):
    """An event about to be logged: `events.emit.prepare` gives it an id and a date."""

    event: EventType
    data: Any
    path: str | None = None
    special_use: str | None = None


class Event(Value, frozen=True, kw_only=True):
    """A logged event; the webhook body is this plus serviceUrl and minus eventId."""

    event_id: str
    account: str
    date: Timestamp
    event: EventType
    path: str | None = None
    special_use: str | None = None
    data: Any = None


class PreparedEvent(Value, frozen=True, kw_only=True):
    """An event ready for a script: its id, its type and the encoded `Event`.

    `payload` is JSON, or zlib-compressed JSON when its first byte is 0x78 (JSON starts with `{`).
    """

    event_id: str
    event: str
    payload: bytes
