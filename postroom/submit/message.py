"""What a caller submits and what it is answered (contract: SubmitMessage, F1).

Plain values with the contract's field names; the faces decode into them. An absent address list is
None and an empty one is (): with `raw` an empty list removes the header (F4).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from postroom.model.message import Address
from postroom.model.value import Timestamp, Value

Action = Literal["reply", "reply-all", "forward"]


class SubmitReference(Value, frozen=True, kw_only=True):
    """The message that a submission answers or forwards (contract F30)."""

    message: str | None = None
    action: Action = "reply"
    inline: bool = False
    forward_attachments: bool = False
    ignore_missing: bool = False
    message_id: str | None = None
    thread_id: str | None = None


class SubmitAttachment(Value, frozen=True, kw_only=True):
    """An attachment: its content in base64, or the id of a stored attachment (F6)."""

    filename: str | None = None
    content_type: str | None = None
    content_disposition: Literal["inline", "attachment"] | None = None
    cid: str | None = None
    encoding: Literal["base64"] = "base64"
    content: str | None = None
    # The contract allows false for "none".
    reference: str | bool | None = None


class SubmitEnvelope(Value, frozen=True, kw_only=True):
    """An SMTP envelope that differs from the header (F3)."""

    from_: str | None = msgspec.field(name="from", default=None)
    to: tuple[str, ...] = ()


class SubmitMessage(Value, frozen=True, kw_only=True):
    """One submission."""

    reference: SubmitReference | None = None
    from_: Address | None = msgspec.field(name="from", default=None)
    reply_to: tuple[Address, ...] | None = None
    to: tuple[Address, ...] | None = None
    cc: tuple[Address, ...] | None = None
    bcc: tuple[Address, ...] | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    preview_text: str | None = None
    attachments: tuple[SubmitAttachment, ...] = ()
    message_id: str | None = None
    # Header name -> text, number, or a list of them.
    headers: dict[str, Any] | None = None
    # A whole message in base64.
    raw: str | None = None
    envelope: SubmitEnvelope | None = None
    copy: bool | None = None
    sent_mail_path: str | None = None
    send_at: Timestamp | None = None
    delivery_attempts: int | None = None
    gateway: str | None = None
    locale: str | None = None
    tz: str | None = None
    dsn: dict[str, Any] | None = None
    dry_run: bool = False
    # Known, refused for now by `accept` (see `limits.py`).
    template: str | None = None
    mail_merge: Any = None
    render: Any = None
    list_id: str | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    base_url: str | None = None
    proxy: str | None = None
    local_address: str | None = None


class AnswerReference(Value, frozen=True, kw_only=True, omit_defaults=False):
    """What became of the reference (contract F38)."""

    success: bool
    message: str | msgspec.UnsetType = msgspec.UNSET
    thread_id: str | msgspec.UnsetType = msgspec.UNSET
    error: str | msgspec.UnsetType = msgspec.UNSET


class Idempotency(Value, frozen=True, kw_only=True, omit_defaults=False):
    """Whether the answer is a stored one (contract F18)."""

    key: str
    status: Literal["MISS", "HIT"]


class SubmitAnswer(Value, frozen=True, kw_only=True):
    """The answer to a submission (contract F1, F17)."""

    response: str
    message_id: str
    queue_id: str | None = None
    send_at: Timestamp | None = None
    reference: AnswerReference | None = None
    # The MIME source in base64, for dry runs.
    preview: str | None = None
    idempotency: Idempotency | None = None
