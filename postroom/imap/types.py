"""The nouns of IMAP: what a server tells, as frozen values.

Words that may carry any charset stay `bytes` (decoding is the task of `mime`); words of the
protocol are `str`. `None` means that the server did not tell, never zero or empty. They are
Structs because a first sync builds one per message: a tenth of the time of a frozen dataclass.
"""

from __future__ import annotations

import msgspec

from postroom.imap.sets import UidSet


class EnvelopeAddress(msgspec.Struct, frozen=True, gc=False):
    """One address of an envelope; a group start has no host, a group end has no mailbox."""

    name: bytes | None = None
    mailbox: bytes | None = None
    host: bytes | None = None


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """The header of a message as the server parsed it (RFC 9051 7.5.2), words still encoded."""

    date: str | None = None
    subject: bytes | None = None
    from_: tuple[EnvelopeAddress, ...] = ()
    sender: tuple[EnvelopeAddress, ...] = ()
    reply_to: tuple[EnvelopeAddress, ...] = ()
    to: tuple[EnvelopeAddress, ...] = ()
    cc: tuple[EnvelopeAddress, ...] = ()
    bcc: tuple[EnvelopeAddress, ...] = ()
    in_reply_to: str | None = None
    message_id: str | None = None


class BodyPart(msgspec.Struct, frozen=True, gc=False):
    """One part of a message's structure.

    `part` is what BODY[...] wants (RFC 9051 6.4.5): "" for the root multipart, "1" for the root
    of a message with a single part. Types and encodings are lower case.
    """

    part: str = ""
    type: str = "text"
    subtype: str = "plain"
    parameters: dict[str, str] = {}
    id: str | None = None
    description: str | None = None
    encoding: str | None = None
    size: int = 0
    disposition: str | None = None
    disposition_parameters: dict[str, str] = {}
    envelope: Envelope | None = None
    children: tuple[BodyPart, ...] = ()


class FetchedMessage(msgspec.Struct, frozen=True, gc=False):
    """What one FETCH response told of one message; sections by the text inside BODY[...], those
    of BINARY[...] with `BINARY ` before it."""

    seq: int
    uid: int | None = None
    flags: tuple[str, ...] | None = None
    modseq: int | None = None
    size: int | None = None
    internal_date_ms: int | None = None
    envelope: Envelope | None = None
    body: BodyPart | None = None
    sections: dict[str, bytes] = {}
    email_id: str | None = None
    thread_id: str | None = None
    labels: tuple[str, ...] | None = None
    save_date_ms: int | None = None
    preview: str | None = None


class MailboxStatus(msgspec.Struct, frozen=True, gc=False):
    """The counters of a mailbox; `append_limit` is 0 where nothing can be stored (RFC 7889)."""

    path: str
    messages: int | None = None
    unseen: int | None = None
    uid_next: int | None = None
    uid_validity: int | None = None
    highest_modseq: int | None = None
    mailbox_id: str | None = None
    deleted: int | None = None
    size: int | None = None
    append_limit: int | None = None
    deleted_storage: int | None = None


class ListedMailbox(msgspec.Struct, frozen=True, gc=False):
    """One line of LIST; `attributes` as sent, use `has` to compare."""

    path: str
    delimiter: str | None = None
    attributes: frozenset[str] = frozenset()
    status: MailboxStatus | None = None
    # OLDNAME: what it was called until now, after a RENAME (RFC 5465 5.4, RFC 9051 7.3.1).
    old_path: str | None = None

    def has(self, attribute: str) -> bool:
        """Whether the attribute is there, whatever its case (RFC 9051 7.3.1)."""
        return attribute.lower() in {known.lower() for known in self.attributes}


class Told(msgspec.Struct, frozen=True, gc=False):
    """The answer to STATUS; or news of a mailbox that is not selected (NOTIFY, RFC 5465 5)."""

    status: MailboxStatus


class Listed(msgspec.Struct, frozen=True, gc=False):
    """A line of LIST, LSUB or XLIST; or news of the tree (NOTIFY, RFC 5465 5.4)."""

    name: str
    mailbox: ListedMailbox


class Selected(msgspec.Struct, frozen=True, gc=False):
    """A mailbox as SELECT or EXAMINE described it.

    `vanished` comes with QRESYNC only; `changed` are FETCH responses on the way. Without
    `is_counted` the server broke RFC 9051 6.3.2, and `exists` says nothing.
    """

    path: str
    exists: int = 0
    uid_validity: int | None = None
    uid_next: int | None = None
    highest_modseq: int | None = None
    flags: tuple[str, ...] = ()
    permanent_flags: tuple[str, ...] = ()
    is_read_only: bool = False
    mailbox_id: str | None = None
    no_modseq: bool = False
    vanished: UidSet | None = None
    changed: tuple[FetchedMessage, ...] = ()
    is_counted: bool = True


class Created(msgspec.Struct, frozen=True, gc=False):
    """A mailbox that was made: as the server calls it, with its id where it has ids."""

    path: str
    mailbox_id: str | None = None


class FetchedPart(msgspec.Struct, frozen=True, gc=False):
    """The content of a part; `is_decoded` when the server took the transfer encoding off."""

    data: bytes
    is_decoded: bool


class Copied(msgspec.Struct, frozen=True, gc=False):
    """Where copies went: the n-th source became the n-th destination (UIDPLUS; else empty)."""

    uid_validity: int | None = None
    source: tuple[int, ...] = ()
    destination: tuple[int, ...] = ()


class Appended(msgspec.Struct, frozen=True, gc=False):
    """Where an appended message went (UIDPLUS; else None)."""

    uid_validity: int | None = None
    uid: int | None = None


class Quota(msgspec.Struct, frozen=True, gc=False):
    """One quota root: resource name -> (used, limit) in the units of RFC 9208."""

    root: str
    resources: dict[str, tuple[int, int]] = {}


class QuotaRoots(msgspec.Struct, frozen=True, gc=False):
    """Which quota roots count for a mailbox (RFC 9208 4.1.3)."""

    path: str
    roots: tuple[str, ...] = ()


class NamespacePart(msgspec.Struct, frozen=True, gc=False):
    """One namespace: what its mailboxes begin with, and their delimiter."""

    prefix: str = ""
    delimiter: str | None = None


class Namespaces(msgspec.Struct, frozen=True, gc=False):
    """The three lists of RFC 2342: one's own, other people's, shared."""

    personal: tuple[NamespacePart, ...] = ()
    others: tuple[NamespacePart, ...] = ()
    shared: tuple[NamespacePart, ...] = ()


class Found(msgspec.Struct, frozen=True, gc=False):
    """The answer to SEARCH or, with more than numbers in it, to an extended one (RFC 4731).

    `is_whole` is false when numbers were sent that cannot be read.
    """

    numbers: UidSet = UidSet()
    least: int | None = None
    most: int | None = None
    count: int | None = None
    modseq: int | None = None
    tag: str | None = None
    is_whole: bool = True


class Sorted(msgspec.Struct, frozen=True, gc=False):
    """The answer to SORT (RFC 5256): numbers in the order asked for."""

    numbers: tuple[int, ...] = ()


class Thread(msgspec.Struct, frozen=True):
    """A message and what answers it (RFC 5256); without a number its parent is not there."""

    number: int | None = None
    children: tuple[Thread, ...] = ()


class Threaded(msgspec.Struct, frozen=True):
    """The answer to THREAD."""

    threads: tuple[Thread, ...] = ()


class Exists(msgspec.Struct, frozen=True, gc=False):
    """The selected mailbox now holds `count` messages."""

    count: int


class Expunged(msgspec.Struct, frozen=True, gc=False):
    """The message with this sequence number is gone; higher numbers moved down by one."""

    seq: int


class Vanished(msgspec.Struct, frozen=True, gc=False):
    """These UIDs are gone; `earlier` ones were gone before and do not change numbers."""

    uids: UidSet
    earlier: bool = False


class Fetched(msgspec.Struct, frozen=True, gc=False):
    """News of a message that no running command asked for."""

    message: FetchedMessage


class Overflowed(msgspec.Struct, frozen=True, gc=False):
    """The server has given up on NOTIFY: it tells no news of other mailboxes any more."""


class Alert(msgspec.Struct, frozen=True, gc=False):
    """A text the server wants shown to the person (RFC 9051 7.1)."""

    text: str


class Bye(msgspec.Struct, frozen=True, gc=False):
    """The server is about to close the connection."""

    text: str


Unsolicited = Exists | Expunged | Vanished | Fetched | Told | Listed | Overflowed | Alert | Bye
