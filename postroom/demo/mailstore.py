"""Mailboxes in memory: what the small IMAP server shows and the small SMTP server fills.

Every change gives its message the mailbox's next MODSEQ and calls the listeners, so that an IDLE
session can tell its client at once. Nothing here knows IMAP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from postroom.clock import Clock, SystemClock

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

    def add(self, raw: bytes, flags: Iterable[str], internal_date_ms: int) -> int:
        """Put a message in; its UID."""
        uid = self.uid_next
        self.uid_next += 1
        kept = tuple(dict.fromkeys(flag for flag in flags if flag.lower() != "\\recent"))
        self.messages[uid] = StoredMessage(uid, raw, kept, internal_date_ms, self._next_modseq())
        self._changed()
        return uid

    def set_flags(self, uid: int, flags: Iterable[str]) -> None:
        """Give a message exactly these flags."""
        message = self.messages[uid]
        wanted = tuple(dict.fromkeys(flags))
        if set(wanted) != set(message.flags):
            message.flags = wanted
            message.modseq = self._next_modseq()
            self._changed()

    def remove(self, uids: Iterable[int]) -> None:
        """Expunge messages."""
        known = [uid for uid in uids if uid in self.messages]
        for uid in known:
            del self.messages[uid]
        if known:
            self._next_modseq()
            self._changed()

    def _next_modseq(self) -> int:
        self.highest_modseq += 1
        return self.highest_modseq

    def _changed(self) -> None:
        for listener in tuple(self.listeners):
            listener()


class MailStore:
    """Accounts, each with a password and mailboxes."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._passwords: dict[str, str] = {}
        self._mailboxes: dict[str, dict[str, StoredMailbox]] = {}
        # RFC 9051 2.3.1.1: a mailbox deleted and created again has a greater UIDVALIDITY.
        self._uid_validity = self._clock.now_ms() // 1000

    def add_account(self, user: str, password: str) -> None:
        """Make an account with the first mailboxes."""
        self._passwords[user] = password
        self._mailboxes[user] = {}
        for path, special_use in FIRST_MAILBOXES:
            self.create(user, path, special_use)

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
        made = StoredMailbox(path, self._uid_validity, special_use)
        self._mailboxes[user][path] = made
        return made

    def delete(self, user: str, path: str) -> None:
        """Remove a mailbox with its messages."""
        gone = self._mailboxes[user].pop(path)
        gone.remove(list(gone.messages))

    def rename(self, user: str, path: str, new: str) -> None:
        """Rename a mailbox and all below it."""
        mailboxes = self._mailboxes[user]
        for known in [*mailboxes]:
            if known == path or known.startswith(path + DELIMITER):
                moved = mailboxes.pop(known)
                moved.path = new + known[len(path) :]
                mailboxes[moved.path] = moved

    def deliver(self, user: str, raw: bytes, path: str = INBOX, flags: Iterable[str] = ()) -> int:
        """Put a message into a mailbox as of now; its UID."""
        return self.mailbox(user, path).add(raw, flags, self._clock.now_ms())

    def reset(self, user: str, path: str) -> None:
        """Give a mailbox a new UIDVALIDITY and its messages new UIDs, as a restored backup does."""
        old = self.mailbox(user, path)
        new = self.create(user, path, old.special_use)
        for message in old.messages.values():
            new.add(message.raw, message.flags, message.internal_date_ms)

    def now_ms(self) -> int:
        return self._clock.now_ms()
