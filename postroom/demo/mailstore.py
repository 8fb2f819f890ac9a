"""Mailboxes in memory: what the small IMAP server shows and the small SMTP server fills.

Every change gives its message the mailbox's next MODSEQ and calls the listeners, so that an IDLE
session can tell its client at once. Nothing here knows IMAP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from postroom.clock import Clock, SystemClock
from postroom.demo.identities import Identities

INBOX = "INBOX"
DELIMITER = "/"
# What a new account has; the attribute is the special use of RFC 6154.
FIRST_MAILBOXES: tuple[tuple[str, str | None], ...] = (
    (INBOX, None),
    ("Drafts", "\\Drafts"),
    ("Sent", "\\Sent"),
    ("Junk", "\\Junk"),
    ("Trash", "\\Trash"),
    ("Archive", "\\Archive"),
)


@dataclass(slots=True)
class StoredMessage:
    """One message in one mailbox."""

    uid: int
    raw: bytes
    flags: tuple[str, ...]
    internal_date_ms: int
    modseq: int
    # The same for every copy of a message; the same for a message and its answers (RFC 8474 5).
    email_id: str = ""
    thread_id: str = ""


class Mirror(Protocol):
    """Keeps the copies of a message alike, where mailboxes are labels (`demo.gmail`)."""

    def uid_in(self, mailbox: StoredMailbox, email_id: str, /) -> int | None: ...

    def added(self, mailbox: StoredMailbox, message: StoredMessage, /) -> None: ...

    def flagged(self, mailbox: StoredMailbox, message: StoredMessage, /) -> None: ...

    def removed(self, mailbox: StoredMailbox, messages: list[StoredMessage], /) -> None: ...


@dataclass(slots=True)
class StoredMailbox:
    """One mailbox; messages in ascending order of UID."""

    path: str
    uid_validity: int
    special_use: str | None = None
    is_subscribed: bool = True
    uid_next: int = 1
    highest_modseq: int = 1
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    listeners: set[Callable[[], None]] = field(default_factory=set)
    # What went, as (MODSEQ, UID), for VANISHED (RFC 7162).
    expunged: list[tuple[int, int]] = field(default_factory=list)
    mailbox_id: str = ""
    identities: Identities = field(default_factory=Identities)
    mirror: Mirror | None = None

    def add(
        self,
        raw: bytes,
        flags: Iterable[str],
        internal_date_ms: int,
        original: StoredMessage | None = None,
    ) -> int:
        """Put a message in, perhaps as a copy of another; its UID."""
        if original is None:
            ids = self.identities.of(raw)
        else:
            ids = (original.email_id, original.thread_id)
        known = self.mirror.uid_in(self, ids[0]) if self.mirror is not None else None
        if known is not None:
            return known
        uid = self.uid_next
        self.uid_next += 1
        kept = tuple(dict.fromkeys(flag for flag in flags if flag.lower() != "\\recent"))
        message = StoredMessage(uid, raw, kept, internal_date_ms, self._next_modseq(), *ids)
        self.messages[uid] = message
        if self.mirror is not None:
            self.mirror.added(self, message)
        self._changed()
        return uid

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        """Give a message exactly these flags."""
        message = self.messages[uid]
        wanted = tuple(dict.fromkeys(flags))
        if set(wanted) != set(message.flags):
            message.flags = wanted
            self.touch(uid)
            if self.mirror is not None:
                self.mirror.flagged(self, message)

    def touch(self, uid: int) -> None:
        """Something of a message is another now."""
        self.messages[uid].modseq = self._next_modseq()
        self._changed()

    def remove(self, uids: Iterable[int]) -> None:
        """Expunge messages."""
        gone = [self.messages.pop(uid) for uid in list(uids) if uid in self.messages]
        if not gone:
            return
        modseq = self._next_modseq()
        self.expunged += [(modseq, message.uid) for message in gone]
        if self.mirror is not None:
            self.mirror.removed(self, gone)
        self._changed()

    def expunged_since(self, modseq: int) -> list[int]:
        """The UIDs that went after a MODSEQ."""
        return sorted(uid for at, uid in self.expunged if at > modseq)

    def _next_modseq(self) -> int:
        self.highest_modseq += 1
        return self.highest_modseq

    def _changed(self) -> None:
        for listener in tuple(self.listeners):
            listener()


@dataclass(frozen=True, slots=True)
class TreeChange:
    """A mailbox that was made, renamed (`old_path`) or removed (`is_gone`)."""

    path: str
    old_path: str | None = None
    is_gone: bool = False


class MailStore:
    """Accounts, each with a password and mailboxes."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._passwords: dict[str, str] = {}
        self._mailboxes: dict[str, dict[str, StoredMailbox]] = {}
        self._identities: dict[str, Identities] = {}
        self._mirrors: dict[str, Mirror] = {}
        self._tree_listeners: dict[str, set[Callable[[TreeChange], None]]] = {}
        # RFC 9051 2.3.1.1: a mailbox deleted and created again has a greater UIDVALIDITY.
        self._uid_validity = self._clock.now_ms() // 1000

    def add_account(
        self,
        user: str,
        password: str,
        tree: Iterable[tuple[str, str | None]] = FIRST_MAILBOXES,
        mirror: Mirror | None = None,
    ) -> None:
        """Make an account with its first mailboxes (path, special use)."""
        self._passwords[user] = password
        self._mailboxes[user] = {}
        self._identities[user] = Identities()
        self._tree_listeners[user] = set()
        if mirror is not None:
            self._mirrors[user] = mirror
        for path, special_use in tree:
            self.create(user, path, special_use)

    def mirror(self, user: str) -> Mirror | None:
        """What makes the account's mailboxes labels, if they are."""
        return self._mirrors.get(user)

    def tree_listeners(self, user: str) -> set[Callable[[TreeChange], None]]:
        """Who is called when a mailbox of the account is made, renamed or removed."""
        return self._tree_listeners[user]

    def has_account(self, user: str) -> bool:
        return user in self._passwords

    def is_password(self, user: str, password: str) -> bool:
        return user in self._passwords and self._passwords[user] == password

    def mailboxes(self, user: str) -> dict[str, StoredMailbox]:
        """The account's mailboxes by path."""
        return self._mailboxes[user]

    def mailbox(self, user: str, path: str) -> StoredMailbox:
        """One mailbox; KeyError when there is none."""
        return self._mailboxes[user][path]

    def create(self, user: str, path: str, special_use: str | None = None) -> StoredMailbox:
        """Make a mailbox."""
        self._uid_validity += 1
        made = StoredMailbox(
            path,
            self._uid_validity,
            special_use,
            mailbox_id=f"F{self._uid_validity}",
            identities=self._identities[user],
            mirror=self._mirrors.get(user),
        )
        self._mailboxes[user][path] = made
        self._tell(user, TreeChange(path))
        return made

    def _tell(self, user: str, change: TreeChange) -> None:
        for listener in tuple(self._tree_listeners[user]):
            listener(change)

    def delete(self, user: str, path: str) -> None:
        """Remove a mailbox with its messages."""
        gone = self._mailboxes[user].pop(path)
        gone.remove(list(gone.messages))
        self._tell(user, TreeChange(path, is_gone=True))

    def rename(self, user: str, path: str, new: str) -> None:
        """Rename a mailbox and all below it."""
        mailboxes = self._mailboxes[user]
        for known in [*mailboxes]:
            if known == path or known.startswith(path + DELIMITER):
                moved = mailboxes.pop(known)
                moved.path = new + known[len(path) :]
                mailboxes[moved.path] = moved
                self._tell(user, TreeChange(moved.path, known))

    def deliver(self, user: str, raw: bytes, path: str = INBOX, flags: Iterable[str] = ()) -> int:
        """Put a message into a mailbox as of now; its UID."""
        return self.mailbox(user, path).add(raw, flags, self._clock.now_ms())

    def reset(self, user: str, path: str) -> None:
        """Give a mailbox a new UIDVALIDITY and its messages new UIDs, as a restored backup does."""
        old = self.mailbox(user, path)
        new = self.create(user, path, old.special_use)
        for message in old.messages.values():
            new.add(message.raw, message.flags, message.internal_date_ms, message)

    def now_ms(self) -> int:
        return self._clock.now_ms()
