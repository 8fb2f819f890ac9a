"""Submitting mail, and the outbox (contract: SubmitMessage, OutboxEntry).

Text and attachment limits are EENGINE_MAX_SIZE at its default, as the contract writes them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from postroom.api.rules import (
    OR_FALSE,
    PROXY,
    SINGLE_ACCEPTED,
    UNSET,
    WEB,
    AccountParameters,
    Body,
    DateTime,
    Email,
    HostName,
    PageParameters,
    Parameters,
    Shown,
    Text100,
    Text256,
    Text1024,
    Unset,
    documented,
    ip,
    text,
    uri,
)

# EENGINE_MAX_SIZE, default 5M.
MAX_TEXT = 5_242_880
# RFC 5322 2.1.1: a line has at most 998 characters; two are the brackets.
MessageId = Annotated[str, text(996)]
Lower = documented(x_case="lower")


class SubmitParameters(AccountParameters, frozen=True, kw_only=True):
    idempotency_key: (
        Annotated[
            str,
            Meta(
                min_length=0,
                max_length=1024,
                extra_json_schema={"x-trim": True, "x-in": "header"},
            ),
        ]
        | Unset
    ) = msgspec.field(name="idempotency-key", default=UNSET)
    document_store: bool = False
    use_structured_format: bool = False


class AddressBody(Body, frozen=True, kw_only=True):
    """An address with an optional display name."""

    name: Annotated[str, text(256, trim=True)] | Unset = UNSET
    address: Email


Addresses = Annotated[list[AddressBody], SINGLE_ACCEPTED]


class ReferenceBody(Body, frozen=True, kw_only=True):
    """The message that is answered or forwarded (contract F30)."""

    message: Text256 | Unset = UNSET
    action: Annotated[Literal["forward", "reply", "reply-all"], Lower] = "reply"
    inline: bool = False
    forward_attachments: bool = False
    ignore_missing: bool = False
    message_id: MessageId | Unset = UNSET
    thread_id: str | Unset = UNSET


class EnvelopeBody(Body, frozen=True, kw_only=True):
    """An SMTP envelope that differs from the header."""

    from_: Email | Unset = msgspec.field(name="from", default=UNSET)
    to: Annotated[list[Email] | Unset, SINGLE_ACCEPTED] = UNSET


class AttachmentBody(Body, frozen=True, kw_only=True):
    """A file: its content in base64, or the id of a stored attachment."""

    filename: Text256 | Unset = UNSET
    content_type: Annotated[str, text(256, case="lower")] | Unset = UNSET
    content_disposition: Annotated[Literal["inline", "attachment"], Lower] | Unset = UNSET
    cid: Text256 | Unset = UNSET
    encoding: Literal["base64"] = "base64"
    reference: Annotated[Text256 | bool | Unset | None, OR_FALSE] = UNSET
    content: Annotated[str, text(MAX_TEXT)] | Unset = UNSET


class RenderBody(Body, frozen=True, kw_only=True):
    """How the content is rendered as a template."""

    format: Literal["html", "markdown"] = "html"
    params: dict[str, Any] | Unset = UNSET


class MergeEntryBody(Body, frozen=True, kw_only=True):
    """One recipient of a mail merge."""

    to: AddressBody
    message_id: MessageId | Unset = UNSET
    params: dict[str, Any] | Unset = UNSET
    send_at: DateTime | Unset = UNSET


class DsnBody(Body, frozen=True, kw_only=True):
    """Delivery status notifications asked for (RFC 3461)."""

    id: Annotated[str, text(256, trim=True)] | Unset = UNSET
    return_: Annotated[Literal["headers", "full"], documented(x_trim=True)] = msgspec.field(
        name="return"
    )
    notify: (
        Annotated[list[Literal["never", "success", "failure", "delay"]], SINGLE_ACCEPTED] | Unset
    ) = UNSET
    recipient: Annotated[str, documented(format="email", x_trim=True)] | Unset = UNSET


class SubmitBody(Body, frozen=True, kw_only=True):
    """A message to send."""

    reference: ReferenceBody | Unset = UNSET
    from_: AddressBody | Unset = msgspec.field(name="from", default=UNSET)
    reply_to: Addresses | Unset = UNSET
    subject: Annotated[str, text(10240, trim=True)] | Unset = UNSET
    text: Annotated[str, text(MAX_TEXT, trim=True)] | Unset = UNSET
    html: Annotated[str, text(MAX_TEXT, trim=True)] | Unset = UNSET
    preview_text: Text1024 | Unset = UNSET
    template: Text256 | Unset = UNSET
    mail_merge: Annotated[list[MergeEntryBody], Meta(min_length=1)] | Unset = UNSET
    envelope: EnvelopeBody | Unset = UNSET
    raw: Annotated[str, text(MAX_TEXT)] | Unset = UNSET
    to: Addresses | Unset = UNSET
    cc: Addresses | Unset = UNSET
    bcc: Addresses | Unset = UNSET
    render: Annotated[RenderBody | bool | Unset, OR_FALSE] = UNSET
    attachments: list[AttachmentBody] | Unset = UNSET
    message_id: MessageId | Unset = UNSET
    headers: dict[str, Any] | Unset = UNSET
    track_opens: bool | Unset = UNSET
    track_clicks: bool | Unset = UNSET
    copy: bool | Unset | None = UNSET
    sent_mail_path: Text1024 | Unset = UNSET
    locale: Text100 | Unset = UNSET
    tz: Text100 | Unset = UNSET
    send_at: DateTime | Unset = UNSET
    delivery_attempts: int | Unset = UNSET
    gateway: Text256 | Unset = UNSET
    list_id: HostName | Unset = UNSET
    dsn: DsnBody | Unset = UNSET
    base_url: Annotated[str, uri(*WEB, trim=True)] | Unset = UNSET
    proxy: Annotated[str, uri(*PROXY)] | Unset = UNSET
    local_address: Annotated[str, ip("forbidden", trim=True)] | Unset = UNSET
    dry_run: bool = False


class OutboxParameters(Parameters, frozen=True, kw_only=True):
    queue_id: Text100


class OutboxListParameters(PageParameters, frozen=True, kw_only=True):
    """A page of the outbox."""


class OutboxEnvelope(Shown, frozen=True, kw_only=True):
    """The SMTP envelope of a queued message."""

    from_: Email = msgspec.field(name="from")
    to: list[Email]


class OutboxError(Shown, frozen=True, kw_only=True):
    """Why the last attempt failed."""

    message: str
    code: str | Unset = UNSET
    status_code: int | Unset = UNSET


class OutboxProgress(Shown, frozen=True, kw_only=True):
    """How far a queued message is."""

    status: Literal["queued", "processing", "smtp-starting", "smtp-completed", "submitted", "error"]
    response: str | Unset = UNSET
    message_id: str | Unset = UNSET
    original_message_id: str | Unset = UNSET
    error: OutboxError | Unset = UNSET


class OutboxEntry(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """A queued message (contract G1)."""

    queue_id: str
    account: str
    source: Literal["smtp", "api", "test", "ui"]
    message_id: str
    envelope: OutboxEnvelope
    subject: str | Unset | None = UNSET
    gateway: str | Unset | None = UNSET
    proxy: str | Unset | None = UNSET
    local_address: str | Unset | None = UNSET
    idempotency_key: str | Unset | None = UNSET
    created: DateTime
    scheduled: DateTime
    next_attempt: Annotated[DateTime | bool, OR_FALSE]
    attempts_made: int
    attempts: int
    progress: OutboxProgress


class OutboxList(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """A page of queued messages over all accounts."""

    total: int
    page: int
    pages: int
    messages: list[OutboxEntry]


class OutboxDeleted(Shown, frozen=True, kw_only=True, omit_defaults=False):
    deleted: bool = True
