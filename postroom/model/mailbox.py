"""A mailbox of an account: its place in the tree, its special use, its counters."""

from __future__ import annotations

import secrets
from typing import Literal

from postroom.model.value import Timestamp, Value

SpecialUse = Literal[
    "\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Inbox"
]
SpecialUseSource = Literal["user", "extension", "name"]
Indexer = Literal["full", "fast"]

# Contract E2: the order in which mailboxes are listed; the rest follow by path.
SPECIAL_USE_ORDER: tuple[SpecialUse, ...] = (
    "\\Inbox",
    "\\Flagged",
    "\\Sent",
    "\\Drafts",
    "\\All",
    "\\Archive",
    "\\Junk",
    "\\Trash",
)


class MailboxCounters(Value, frozen=True, kw_only=True):
    messages: int | None = None
    unseen: int | None = None
    error: str | None = None


class Mailbox(Value, frozen=True, kw_only=True, omit_defaults=True):
    """One listed mailbox (contract E1)."""

    path: str
    name: str
    delimiter: str | None = None
    parent_path: str | None = None
    id: str | None = None
    listed: bool | None = None
    subscribed: bool | None = None
    special_use: SpecialUse | None = None
    special_use_source: SpecialUseSource | None = None
    no_inferiors: bool | None = None
    messages: int | None = None
    uid_next: int | None = None
    status: MailboxCounters | None = None
    # When the index of a watched mailbox was last known to equal the server (invariant I7).
    last_verified: Timestamp | None = None


class MailboxList(Value, frozen=True, kw_only=True, omit_defaults=False):
    mailboxes: tuple[Mailbox, ...]


class MailboxCursor(Value, frozen=True, kw_only=True):
    """What sync has durably recorded of one mailbox; the store keeps it beside the index.

    `number` is the folder number of message ids (contract A2). `uid_next` is the next UID that
    has not been looked at; a message with a lower UID is known or was refused for good (I9).
    `highest_modseq` never says more than what is recorded: it is the server's at the beginning of
    the pass that completed; of a first pass that is still under way, the one at its beginning.
    """

    path: str
    uid_validity: int
    number: int
    uid_next: int = 1
    highest_modseq: int | None = None
    messages: int = 0
    # Keywords and labels beyond the system flags, in order of first use: the index has positions.
    keywords: tuple[str, ...] = ()
    special_use: SpecialUse | None = None
    special_use_source: SpecialUseSource | None = None
    delimiter: str | None = None
    mailbox_id: str | None = None
    # When the index was last found equal to the server (invariant I7).
    last_verified_ms: int = 0
    # When every message was last compared with the server's list (contract I7).
    compared_ms: int = 0
    # `<number>.<random>` of the write that left this: writes of a mailbox follow one another, so
    # one that is sent twice or comes late changes nothing.
    step: str = ""
    # Messages below were announced under a former name of the mailbox.
    known_below: int = 0
    # False until the first pass over the whole mailbox has been recorded.
    is_complete: bool = False
    # The fast indexer keeps `uid_next` alone (contract I4).
    indexer: Indexer = "full"
    # The flush of the account (contract I11) that this was built after.
    flushed_ms: int = 0

    def next_step(self) -> str:
        """The `step` of the write that follows this one."""
        number = int(self.step.partition(".")[0] or "0") + 1
        return f"{number}.{secrets.token_hex(4)}"
