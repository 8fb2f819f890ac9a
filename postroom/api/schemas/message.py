"""Reading and changing messages (contract: C1 to C9, D1)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from postroom.api.rules import (
    SINGLE_ACCEPTED,
    UNSET,
    AccountPageParameters,
    AccountParameters,
    Body,
    DateTime,
    Text256,
    Unset,
    documented,
    text,
)

# Contract: a gigabyte.
MAX_BYTES = 1_073_741_824
Size = Annotated[int, Meta(ge=0, le=MAX_BYTES)]
TextType = Annotated[Literal["html", "plain", "*"], documented(x_case="lower")]
Cursor = Annotated[str, text(1_048_576, trim=True)]
Flags = Annotated[list[Annotated[str, text(128)]], SINGLE_ACCEPTED]


class MailboxesParameters(AccountParameters, frozen=True, kw_only=True):
    counters: bool = False


class ListParameters(AccountPageParameters, frozen=True, kw_only=True):
    path: str
    cursor: Cursor | Unset = UNSET


class SearchParameters(AccountPageParameters, frozen=True, kw_only=True):
    cursor: Cursor | Unset = UNSET
    use_outlook_search: bool | Unset = UNSET
    path: str | Unset = UNSET


class MessageParameters(AccountParameters, frozen=True, kw_only=True):
    message: Text256


class ReadParameters(MessageParameters, frozen=True, kw_only=True):
    max_bytes: Size | Unset = UNSET
    text_type: TextType | Unset = UNSET
    web_safe_html: bool = False
    embed_attached_images: bool | Unset = UNSET
    pre_process_html: bool = False
    mark_as_seen: bool = False


class DeleteParameters(MessageParameters, frozen=True, kw_only=True):
    force: bool = False


class AttachmentParameters(AccountParameters, frozen=True, kw_only=True):
    attachment: Annotated[str, text(2048)]


class TextParameters(AccountParameters, frozen=True, kw_only=True):
    text: Annotated[str, text(10240)]
    max_bytes: Size | Unset = UNSET
    text_type: TextType = "*"
    web_safe_html: bool = False


class LabelFilter(Body, frozen=True, kw_only=True):
    """Labels a message must have or must not have."""

    has: Flags | Unset = UNSET
    not_: Flags | Unset = msgspec.field(name="not", default=UNSET)


class SearchQuery(Body, frozen=True, kw_only=True):
    """Criteria, all of which must hold (contract D1)."""

    seq: Annotated[str, text(8192)] | Unset = UNSET
    answered: bool | Unset = UNSET
    deleted: bool | Unset = UNSET
    draft: bool | Unset = UNSET
    unseen: bool | Unset = UNSET
    flagged: bool | Unset = UNSET
    seen: bool | Unset = UNSET
    from_: Text256 | Unset = msgspec.field(name="from", default=UNSET)
    to: Text256 | Unset = UNSET
    cc: Text256 | Unset = UNSET
    bcc: Text256 | Unset = UNSET
    body: Text256 | Unset = UNSET
    subject: Annotated[str, text(2560)] | Unset = UNSET
    larger: Size | Unset = UNSET
    smaller: Size | Unset = UNSET
    uid: Annotated[str, text(8192)] | Unset = UNSET
    modseq: Annotated[int, Meta(ge=0)] | Unset = UNSET
    before: DateTime | Unset = UNSET
    since: DateTime | Unset = UNSET
    sent_before: DateTime | Unset = UNSET
    sent_since: DateTime | Unset = UNSET
    email_id: Text256 | Unset = UNSET
    thread_id: str | Unset = UNSET
    header: dict[str, Any] | Unset = UNSET
    gmail_raw: Annotated[str, text(1024)] | Unset = UNSET
    labels: LabelFilter | Unset = UNSET
    email_ids: Annotated[list[Text256] | Unset, SINGLE_ACCEPTED] = UNSET


class SearchBody(Body, frozen=True, kw_only=True):
    """A search."""

    search: SearchQuery


class FlagsBody(Body, frozen=True, kw_only=True):
    """Flags to add and delete, or the whole set."""

    add: Flags | Unset = UNSET
    delete: Flags | Unset = UNSET
    set: Flags | Unset = UNSET


class LabelsBody(Body, frozen=True, kw_only=True):
    """Labels to add and delete."""

    add: Flags | Unset = UNSET
    delete: Flags | Unset = UNSET


class MessageUpdate(Body, frozen=True, kw_only=True):
    """A change of a message's flags or labels."""

    flags: FlagsBody | Unset = UNSET
    labels: LabelsBody | Unset = UNSET


class MessageMove(Body, frozen=True, kw_only=True):
    """Where to move a message to; `source` says where it is, for accounts with labels."""

    path: str
    source: str | Unset = UNSET
