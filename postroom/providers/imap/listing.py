"""The mailbox tree: what LIST says, with special uses, in the order clients expect (contract E).

Pure but for `read_tree`. A special use comes from the account's own path overrides first, then
from the server's attributes (RFC 6154), then from well-known names; each is given once.
Absence is proved, never assumed: see `Absences` (invariant I11).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from postroom.clock import Deadline
from postroom.imap.commands.list import ListMailboxes
from postroom.imap.types import ListedMailbox
from postroom.model.account import ImapServer
from postroom.model.mailbox import (
    SPECIAL_USE_ORDER,
    Mailbox,
    MailboxCounters,
    MailboxCursor,
    SpecialUse,
    SpecialUseSource,
)
from postroom.net.imap import ImapConnection
from postroom.providers.imap.names import WELL_KNOWN

# RFC 9051 7.3.1: neither can be selected.
_NOT_SELECTABLE = frozenset({"\\noselect", "\\nonexistent"})
_BY_ATTRIBUTE: dict[str, SpecialUse] = {
    **{use.lower(): use for use in SPECIAL_USE_ORDER if use != "\\Inbox"},
    # XLIST, the older form of RFC 6154, has its own words.
    "\\allmail": "\\All",
    "\\spam": "\\Junk",
    "\\starred": "\\Flagged",
}
# Where all mail of a Gmail account is.
_GMAIL_WHOLE: frozenset[SpecialUse] = frozenset(("\\All", "\\Junk", "\\Trash"))
# One for all: an empty frozenset takes 216 bytes, and every idle account would have two.
NONE: frozenset[str] = frozenset()
_CLAIM = dict[str, tuple[SpecialUse, SpecialUseSource]]


async def read_tree(
    connection: ImapConnection,
    deadline: Deadline,
    status: tuple[str, ...] = (),
    *,
    subscribed: bool = True,
) -> tuple[ListedMailbox, ...]:
    """Every selectable mailbox as the server lists it, each once, with subscriptions if asked.

    Counters come with it only from servers with LIST-STATUS (RFC 5819).
    """
    command = ListMailboxes(
        return_special_use=True, return_subscribed=subscribed, return_status=status
    )
    listed = selectable(await connection.run(command, deadline))
    if not subscribed or connection.has("LIST-EXTENDED"):
        return listed
    known = await connection.run(ListMailboxes(is_lsub=True), deadline)
    paths = {canonical(entry.path) for entry in known}
    return tuple(
        _with_attribute(entry, "\\Subscribed") if canonical(entry.path) in paths else entry
        for entry in listed
    )


def _with_attribute(entry: ListedMailbox, attribute: str) -> ListedMailbox:
    return ListedMailbox(entry.path, entry.delimiter, entry.attributes | {attribute}, entry.status)


def selectable(listed: Iterable[ListedMailbox]) -> tuple[ListedMailbox, ...]:
    """Those that can be selected; of repeated paths the first."""
    found: dict[str, ListedMailbox] = {}
    for mailbox in listed:
        if not mailbox.path or _attributes(mailbox) & _NOT_SELECTABLE:
            continue
        found.setdefault(canonical(mailbox.path), mailbox)
    return tuple(found.values())


def arrange(listed: Sequence[ListedMailbox], server: ImapServer | None) -> tuple[Mailbox, ...]:
    """The mailboxes with their special uses, in the order of contract E2."""
    claims = _claims(listed, server)
    mailboxes = [_mailbox(entry, claims) for entry in listed]
    return tuple(sorted(mailboxes, key=_place))


def tracked(
    mailboxes: Iterable[Mailbox], paths: Sequence[str] | None, *, is_gmail: bool = False
) -> tuple[Mailbox, ...]:
    """Those that the account's `path` filter selects: paths or special-use flags (contract I3).

    Without a filter all of them. On Gmail every message is in All Mail, Trash or Junk, and the
    other mailboxes are labels of the same messages: where All Mail is to be had, only those three.
    """
    if not paths or "*" in paths:
        found = tuple(mailboxes)
        has_all = is_gmail and any(mailbox.special_use == "\\All" for mailbox in found)
        return tuple(one for one in found if one.special_use in _GMAIL_WHOLE) if has_all else found
    wanted = {canonical(path) for path in paths}
    uses = {path.lower() for path in paths if path.startswith("\\")}
    return tuple(
        mailbox
        for mailbox in mailboxes
        if mailbox.path in wanted or (mailbox.special_use or "").lower() in uses
    )


def find(mailboxes: Iterable[Mailbox], wanted: str) -> Mailbox | None:
    """The mailbox that a path or a special-use flag names."""
    path = canonical(wanted)
    for mailbox in mailboxes:
        if mailbox.path == path or (mailbox.special_use or "").lower() == wanted.lower():
            return mailbox
    return None


def main_first(mailboxes: Sequence[Mailbox], *, is_gmail: bool = False) -> tuple[Mailbox, ...]:
    """The mailboxes in the order in which they qualify as the main one (contract I1)."""

    def rank(mailbox: Mailbox) -> int:
        if is_gmail and mailbox.special_use == "\\All":
            return 0
        return 1 if mailbox.path == "INBOX" else 2

    return tuple(sorted(mailboxes, key=rank))


def recorded(cursor: MailboxCursor) -> Mailbox:
    """A mailbox as sync recorded it, for looking at it without a listing."""
    path, delimiter = cursor.path, cursor.delimiter
    return Mailbox(
        path=path,
        name=path.rpartition(delimiter)[2] if delimiter else path,
        delimiter=delimiter,
        special_use=cursor.special_use,
        special_use_source=cursor.special_use_source,
    )


def canonical(path: str) -> str:
    """RFC 9051 5.1: INBOX is the one name without case."""
    return "INBOX" if path.upper() == "INBOX" else path


class Absences:
    """Which known mailboxes two consistent listings in a row did not have (invariant I11).

    A listing that is empty or has no INBOX is a server fault (contract I9) and proves nothing.
    """

    __slots__ = ("_suspected",)

    def __init__(self) -> None:
        self._suspected = NONE

    @property
    def is_pending(self) -> bool:
        """Whether another listing is needed to prove or disprove an absence."""
        return bool(self._suspected)

    def observe(self, known: Iterable[str], listed: Iterable[str]) -> frozenset[str]:
        """Look at one listing; the paths whose absence it proves."""
        present = {canonical(path) for path in listed}
        if "INBOX" not in present:
            return NONE
        absent = frozenset(known) - present
        proved = absent & self._suspected
        self._suspected = (absent - proved) or NONE
        return proved


def _attributes(mailbox: ListedMailbox) -> set[str]:
    return {attribute.lower() for attribute in mailbox.attributes}


def _claims(listed: Sequence[ListedMailbox], server: ImapServer | None) -> _CLAIM:
    """Path -> special use: overrides beat attributes beat names; one mailbox each."""
    claims: _CLAIM = {}
    taken: set[SpecialUse] = set()

    def claim(path: str, use: SpecialUse, source: SpecialUseSource) -> None:
        if use not in taken and path not in claims:
            claims[path] = (use, source)
            taken.add(use)

    paths = {canonical(entry.path) for entry in listed}
    if "INBOX" in paths:
        claim("INBOX", "\\Inbox", "name")
    for use, path in _overrides(server).items():
        if canonical(path) in paths:
            claim(canonical(path), use, "user")
    for entry in listed:
        for attribute in sorted(_attributes(entry) & _BY_ATTRIBUTE.keys()):
            claim(canonical(entry.path), _BY_ATTRIBUTE[attribute], "extension")
    for entry in sorted(listed, key=_depth):
        named = _use_of_name(_name(entry))
        if named is not None:
            claim(canonical(entry.path), named, "name")
    return claims


def _overrides(server: ImapServer | None) -> Mapping[SpecialUse, str]:
    if server is None:
        return {}
    chosen: dict[SpecialUse, str | None] = {
        "\\Sent": server.sent_mail_path,
        "\\Drafts": server.drafts_mail_path,
        "\\Junk": server.junk_mail_path,
        "\\Trash": server.trash_mail_path,
        "\\Archive": server.archive_mail_path,
    }
    return {use: path for use, path in chosen.items() if path}


def _use_of_name(name: str) -> SpecialUse | None:
    key = unicodedata.normalize("NFC", name).casefold()
    return next((use for use, names in WELL_KNOWN.items() if key in names), None)


def _depth(entry: ListedMailbox) -> tuple[int, str]:
    return (entry.path.count(entry.delimiter) if entry.delimiter else 0, entry.path)


def _split(entry: ListedMailbox) -> tuple[str, str]:
    """(parent path, name)."""
    if not entry.delimiter or entry.delimiter not in entry.path:
        return "", entry.path
    parent, _, name = entry.path.rpartition(entry.delimiter)
    return parent, name or entry.path


def _name(entry: ListedMailbox) -> str:
    return _split(entry)[1]


def _mailbox(entry: ListedMailbox, claims: _CLAIM) -> Mailbox:
    path = canonical(entry.path)
    attributes = _attributes(entry)
    use, source = claims.get(path, (None, None))
    parent, name = _split(entry)
    status = entry.status
    return Mailbox(
        path=path,
        name=path if path == "INBOX" else name,
        delimiter=entry.delimiter,
        parent_path=parent,
        id=status.mailbox_id if status else None,
        listed=True,
        subscribed="\\subscribed" in attributes,
        special_use=use,
        special_use_source=source,
        no_inferiors="\\noinferiors" in attributes or None,
        messages=status.messages if status else None,
        uid_next=status.uid_next if status else None,
        status=MailboxCounters(messages=status.messages, unseen=status.unseen) if status else None,
    )


def _place(mailbox: Mailbox) -> tuple[int, str]:
    order = SPECIAL_USE_ORDER
    use = mailbox.special_use
    return (order.index(use) if use is not None else len(order), mailbox.path)
