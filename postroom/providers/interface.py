"""What a provider is to the rest of the house.

Three small powers, each a Protocol. *Watching* is resident: one `Watcher` per account, run by the
account's owner, reports changes to a `Recorder`. *Answering* serves the operations of
`model/operations.py`. *Sending* is stateless and used by the submit worker without the owner.
Contract of all methods: network waits are bounded by the `Deadline`, or by the provider's own
named limits where there is none; what fails is one of our errors; cancelling leaves no lock held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from postroom.clock import Deadline
from postroom.model.account import Account
from postroom.model.mailbox import MailboxCursor, MailboxList
from postroom.model.message import (
    MessageDeleted,
    MessageDetail,
    MessageList,
    MessageMoved,
    MessageStored,
    MessageText,
    MessageUpdated,
    ReferencedMessage,
)
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    Done,
    Download,
    DownloadAttachment,
    DownloadSource,
    GetMessage,
    GetQuota,
    GetReference,
    GetText,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    RequestReconnect,
    RequestSync,
    SearchMessages,
    UpdateMessage,
)
from postroom.model.quota import QuotaTold


@dataclass(frozen=True, slots=True)
class LabelsChanged:
    """The Gmail labels of a message became `value`."""

    added: tuple[str, ...]
    deleted: tuple[str, ...]
    value: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """The flags of a known message became `value`, or its labels changed, or both."""

    id: str
    uid: int
    added: tuple[str, ...]
    deleted: tuple[str, ...]
    value: tuple[str, ...]
    labels: LabelsChanged | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """A known message is no longer in its mailbox."""

    id: str
    uid: int


@dataclass(frozen=True, slots=True)
class Missing:
    """An announced message could not be fetched after the retries (messageMissing)."""

    id: str
    uid: int
    retries: int
    delay_ms: int


@dataclass(frozen=True, slots=True)
class MailboxReset:
    """UIDVALIDITY changed, or the stored index was lost (mailboxReset)."""

    reason: str
    uid_validity: int
    previous: int | None


@dataclass(frozen=True, slots=True)
class MailboxChange:
    """One atomic step of sync: the new cursor, the changed index blocks, and what to announce.

    The recorder writes all of it in one script together with the events, or nothing of it (I15).
    An empty block deletes the block. `dropped_number` names an index to drop (reset).
    """

    cursor: MailboxCursor
    blocks: Mapping[int, bytes] = field(default_factory=dict)
    added: Sequence[MessageDetail] = ()
    updated: Sequence[FlagsChanged] = ()
    removed: Sequence[Removed] = ()
    missing: Sequence[Missing] = ()
    reset: MailboxReset | None = None
    dropped_number: int | None = None
    # Whether moves are told as well (setting notifyMoved).
    tells_moves: bool = False


class Recorder(Protocol):
    """Where a watcher reports to; implemented by the `accounts` room for the account's owner.

    Every method raises Fenced when another worker owns the account: the watcher must stop.
    """

    async def record(self, change: MailboxChange) -> None:
        """Record one step of one mailbox, with its events."""
        ...

    async def reading(self, number: int, uids: Sequence[int]) -> None:
        """Messages are about to be read: told before, so that one that kills is known (I13)."""
        ...

    async def not_read(self, number: int, uids: Sequence[int]) -> None:
        """The reading failed, and the worker lives."""
        ...

    async def harmless(self, number: int, uids: Sequence[int]) -> None:
        """The messages are recorded, whatever came of them."""
        ...

    async def mailbox_new(self, cursor: MailboxCursor) -> None:
        """A mailbox not known before appeared; not called during the very first sync."""
        ...

    async def mailbox_deleted(self, cursor: MailboxCursor) -> None:
        """A known mailbox is gone for sure: drop its cursor and index, announce it."""
        ...

    async def connecting(self) -> None:
        """A connection attempt starts."""
        ...

    async def authenticated(self, user: str) -> None:
        """The server accepted the credentials."""
        ...

    async def connected(self, count: int) -> None:
        """So many connections watch the account now."""
        ...

    async def syncing(self) -> None:
        """A round over all mailboxes starts."""
        ...

    async def not_synced(self, path: str, reason: str) -> None:
        """A mailbox could not be synchronised: shown until a round ends without such a one."""
        ...

    async def synced(self, *, is_whole: bool = True) -> None:
        """A round ended well: state connected, syncTime; the first one ever is announced.

        `is_whole` when no mailbox of it had to be left out.
        """
        ...

    async def failed(self, error: Exception) -> None:
        """The connection or the login failed, or the connection was lost, with our error."""
        ...


class Watcher(Protocol):
    """Watches one account as long as its task lives; never returns by itself but on Fenced."""

    async def run(self) -> None: ...

    def request_sync(self) -> None:
        """Start a round as soon as possible."""
        ...

    def request_reconnect(self) -> None:
        """Drop the connection and connect again at once."""
        ...

    def verified_ms(self, cursor: MailboxCursor) -> int:
        """When a recorded mailbox was last known to equal its index (I7); 0 for never."""
        ...


class Answering(Protocol):
    """Serves the operations of one account; method names are the operations' names."""

    async def list_mailboxes(self, asked: ListMailboxes, deadline: Deadline) -> MailboxList: ...

    async def list_messages(self, asked: ListMessages, deadline: Deadline) -> MessageList: ...

    async def search_messages(self, asked: SearchMessages, deadline: Deadline) -> MessageList: ...

    async def get_message(self, asked: GetMessage, deadline: Deadline) -> MessageDetail: ...

    async def get_text(self, asked: GetText, deadline: Deadline) -> MessageText: ...

    async def download_attachment(
        self, asked: DownloadAttachment, deadline: Deadline
    ) -> Download: ...

    async def download_source(self, asked: DownloadSource, deadline: Deadline) -> Download: ...

    async def update_message(self, asked: UpdateMessage, deadline: Deadline) -> MessageUpdated: ...

    async def move_message(self, asked: MoveMessage, deadline: Deadline) -> MessageMoved: ...

    async def delete_message(self, asked: DeleteMessage, deadline: Deadline) -> MessageDeleted: ...

    async def append_message(self, asked: AppendMessage, deadline: Deadline) -> MessageStored: ...

    async def get_reference(self, asked: GetReference, deadline: Deadline) -> ReferencedMessage: ...

    async def get_quota(self, asked: GetQuota, deadline: Deadline) -> QuotaTold: ...

    async def request_sync(self, asked: RequestSync, deadline: Deadline) -> Done: ...

    async def request_reconnect(self, asked: RequestReconnect, deadline: Deadline) -> Done: ...

    async def close(self) -> None:
        """Close what was opened for answering."""
        ...


@dataclass(frozen=True, slots=True)
class Sendable:
    """One message for one attempt: the envelope and the bytes to transmit (Bcc removed)."""

    message_id: str
    envelope_from: str
    envelope_to: tuple[str, ...]
    raw: bytes
    # Awaited right before the message itself is transmitted; False means: do not (I19, I20).
    before_data: Callable[[], Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the message: its response text, and its Message-ID if it changed it."""

    response: str
    message_id: str | None = None
    # Recipients refused while others were taken, each with the reason.
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NotAccepted:
    """An attempt that failed: what `submit/verdict.py` classifies.

    `code` is a delivery error code of errors.md (EAUTH, ETIMEDOUT, ...); `response_code` and
    `response` are the SMTP reply when there was one; `is_unknown` is True when the connection was
    lost after DATA, so that nobody knows whether the server took the message (I19).
    """

    code: str
    text: str
    response_code: int | None = None
    response: str | None = None
    command: str | None = None
    is_unknown: bool = False


class Sending(Protocol):
    """Sends one message by the account's own transport; returns the outcome, never raises it."""

    async def send(
        self, account: Account, message: Sendable, deadline: Deadline
    ) -> Accepted | NotAccepted: ...
