"""Everything that an account can be asked, each declared once (architecture, decision 5).

The class name in snake case (`ListMessages` -> `list_messages`) is the name of the provider's
method and of the rpc call; `ANSWERS` tells what comes back. A new operation is one class here,
one line in `ANSWERS`, one method per provider and one route.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from postroom.model.mailbox import MailboxList
from postroom.model.message import (
    FlagChange,
    MessageDeleted,
    MessageDetail,
    MessageList,
    MessageMoved,
    MessageStored,
    MessageText,
    MessageUpdated,
    ReferencedMessage,
)
from postroom.model.quota import QuotaTold


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something an account can be asked; crosses the rpc as MessagePack."""


class ListMailboxes(Operation, frozen=True, kw_only=True):
    counters: bool = False


class ListMessages(Operation, frozen=True, kw_only=True):
    """`path` is a mailbox path or a special-use flag (contract C1); a `cursor` beats `page`."""

    path: str
    page: int = 0
    page_size: int = 20
    cursor: str | None = None


class SearchMessages(Operation, frozen=True, kw_only=True):
    """`search` has the fields of contract D1."""

    path: str
    search: dict[str, Any]
    page: int = 0
    page_size: int = 20
    cursor: str | None = None


class GetMessage(Operation, frozen=True, kw_only=True):
    """`text_type` is `plain`, `html`, `*` or None for no text (contract C2, C3)."""

    message: str
    max_bytes: int | None = None
    text_type: str | None = None
    web_safe_html: bool = False
    embed_attached_images: bool | None = None
    pre_process_html: bool = False
    mark_as_seen: bool = False


class GetText(Operation, frozen=True, kw_only=True):
    text: str
    text_type: str = "*"
    max_bytes: int | None = None
    web_safe_html: bool = False


class DownloadAttachment(Operation, frozen=True, kw_only=True):
    attachment: str


class DownloadSource(Operation, frozen=True, kw_only=True):
    message: str


class UpdateMessage(Operation, frozen=True, kw_only=True):
    message: str
    flags: FlagChange | None = None
    labels: FlagChange | None = None


class MoveMessage(Operation, frozen=True, kw_only=True):
    message: str
    path: str


class DeleteMessage(Operation, frozen=True, kw_only=True):
    message: str
    force: bool = False


class AppendMessage(Operation, frozen=True, kw_only=True):
    """Store `raw` in the mailbox `path` (path or special-use flag).

    With `once`, a message of the same Message-ID already in that mailbox makes it a no-op, so
    that a repeated step after a crash leaves one copy.
    """

    path: str
    raw: bytes
    flags: tuple[str, ...] = ()
    internal_date_ms: int | None = None
    message_id: str | None = None
    once: bool = False


class GetReference(Operation, frozen=True, kw_only=True):
    """The message that a submission refers to; `with_text` also fetches its text."""

    message: str
    with_text: bool = False


class GetQuota(Operation, frozen=True, kw_only=True):
    """How much the account may store (contract C13)."""


class RequestSync(Operation, frozen=True, kw_only=True):
    """Start a round over all mailboxes now (contract I11)."""


class RequestReconnect(Operation, frozen=True, kw_only=True):
    """Drop the connections and connect again (contract I11)."""


class Done(msgspec.Struct, frozen=True):
    """The answer of an operation that has nothing to tell."""


@dataclass(frozen=True, slots=True)
class Download:
    """A streamed answer: the bytes and what to call them."""

    content_type: str
    filename: str | None
    # Decoded size in bytes when it is known beforehand.
    size: int | None
    chunks: AsyncIterator[bytes]


ANSWERS: dict[type[Operation], type] = {
    ListMailboxes: MailboxList,
    ListMessages: MessageList,
    SearchMessages: MessageList,
    GetMessage: MessageDetail,
    GetText: MessageText,
    DownloadAttachment: Download,
    DownloadSource: Download,
    UpdateMessage: MessageUpdated,
    MoveMessage: MessageMoved,
    DeleteMessage: MessageDeleted,
    AppendMessage: MessageStored,
    GetReference: ReferencedMessage,
    GetQuota: QuotaTold,
    RequestSync: Done,
    RequestReconnect: Done,
}


def operation_name(kind: type[Operation]) -> str:
    """`ListMessages` -> `list_messages`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


BY_NAME: dict[str, type[Operation]] = {operation_name(kind): kind for kind in ANSWERS}
