"""A message as the list (summary) and the single view (detail) show it."""

from __future__ import annotations

from typing import Any

import msgspec

from postroom.model.value import Timestamp, Value


class Address(Value, frozen=True, kw_only=True):
    name: str | None = None
    address: str = ""


class Attachment(Value, frozen=True, kw_only=True):
    id: str
    content_type: str
    encoded_size: int | None = None
    embedded: bool | None = None
    inline: bool | None = None
    encoded_in_message: bool | None = None
    content_id: str | None = None
    filename: str | None = None
    method: str | None = None
    # base64, in messageNew only (setting notifyAttachments).
    content: str | None = None


class TextSizes(Value, frozen=True, kw_only=True):
    plain: int | None = None
    html: int | None = None


class MessageText(Value, frozen=True, kw_only=True):
    """The text of a message; without asking for it only `id` and `encoded_size` are there."""

    id: str | None = None
    encoded_size: TextSizes | None = None
    plain: str | None = None
    html: str | None = None
    web_safe: bool | None = None
    has_more: bool | None = None


class MessageSummary(Value, frozen=True, kw_only=True):
    """A list entry (contract: MessageListEntry). `unseen` etc. are left out when false."""

    id: str
    uid: int | None = None
    email_id: str | None = None
    thread_id: str | None = None
    path: str | None = None
    date: Timestamp | None = None
    draft: bool = False
    unseen: bool = False
    flagged: bool = False
    answered: bool = False
    size: int | None = None
    subject: str | None = None
    from_: Address | None = msgspec.field(name="from", default=None)
    sender: Address | None = None
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    message_id: str | None = None
    in_reply_to: str | None = None
    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    text: MessageText | None = None
    preview: str | None = None
    special_use: str | None = None
    message_special_use: str | None = None
    is_auto_reply: bool = False


class MessageDetail(MessageSummary, frozen=True, kw_only=True):
    """The single view and the `data` of messageNew: a summary with headers and text."""

    headers: dict[str, list[str]] | None = None
    seems_like_new: bool | None = None
    bounces: tuple[dict[str, Any], ...] = ()


class MessageList(Value, frozen=True, kw_only=True, omit_defaults=False):
    """A page of summaries, newest first (contract B1 to B4)."""

    total: int
    page: int
    pages: int
    next_page_cursor: str | None
    prev_page_cursor: str | None
    messages: tuple[MessageSummary, ...]


class FlagChange(Value, frozen=True, kw_only=True):
    """What to do to a message's flags or labels; `set` excludes the others (contract C7)."""

    add: tuple[str, ...] | None = None
    delete: tuple[str, ...] | None = None
    set: tuple[str, ...] | None = None


class FlagResult(Value, frozen=True, kw_only=True):
    """The resulting flags per operation that was asked for (contract C7)."""

    add: tuple[str, ...] | bool | None = None
    delete: tuple[str, ...] | bool | None = None
    set: tuple[str, ...] | bool | None = None
    result: tuple[str, ...] | None = None


class MessageUpdated(Value, frozen=True, kw_only=True):
    flags: FlagResult | None = None
    labels: FlagResult | None = None


class MessageMoved(Value, frozen=True, kw_only=True):
    path: str
    id: str | None = None
    uid: int | None = None


class MovedTo(Value, frozen=True, kw_only=True):
    destination: str
    message: str | None = None


class MessageDeleted(Value, frozen=True, kw_only=True, omit_defaults=False):
    deleted: bool
    moved: MovedTo | msgspec.UnsetType = msgspec.UNSET


class MessageStored(Value, frozen=True, kw_only=True):
    """Where an appended message went; `id` and `uid` with UIDPLUS only (contract C12)."""

    path: str
    id: str | None = None
    uid: int | None = None
    uid_validity: str | None = None
    seq: int | None = None
    message_id: str | None = None
    # True when the same Message-ID was there already and nothing was appended.
    is_repeat: bool = False


class ReferencedMessage(Value, frozen=True, kw_only=True):
    """What a reply or forward needs to know of the message it refers to."""

    id: str
    path: str
    flags: tuple[str, ...] = ()
    message_id: str | None = None
    in_reply_to: str | None = None
    references: str | None = None
    subject: str | None = None
    date: Timestamp | None = None
    from_: Address | None = msgspec.field(name="from", default=None)
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    thread_id: str | None = None
    attachments: tuple[Attachment, ...] = ()
    # Present when asked for (reference.inline).
    plain: str | None = None
    html: str | None = None
