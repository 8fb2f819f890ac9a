"""Mailboxes that are labels, as Gmail has them (X-GM-EXT-1): for tests of such trees.

Each message stands in All Mail, and once more in the mailbox of each of its labels; all copies
have the same flags and ids. A message in Trash or Spam stands nowhere else. Leaving the mailbox of
a label only takes the label off; leaving All Mail is the end of a message. Written from Google's
public description of its IMAP extensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from postroom.demo.mailstore import INBOX, MailStore, StoredMailbox, StoredMessage

ALL_MAIL = "[Gmail]/All Mail"
TRASH = "[Gmail]/Trash"
SPAM = "[Gmail]/Spam"
TREE: tuple[tuple[str, str | None], ...] = (
    (INBOX, None),
    (ALL_MAIL, "\\All"),
    ("[Gmail]/Drafts", "\\Drafts"),
    ("[Gmail]/Important", "\\Important"),
    ("[Gmail]/Sent Mail", "\\Sent"),
    (SPAM, "\\Junk"),
    ("[Gmail]/Starred", "\\Flagged"),
    (TRASH, "\\Trash"),
)
# What Gmail calls its own labels; a label of the person is called like its mailbox.
_SYSTEM_LABELS = {
    "\\Drafts": "\\Draft",
    "\\Important": "\\Important",
    "\\Sent": "\\Sent",
    "\\Flagged": "\\Starred",
}
_ALONE = frozenset(("\\Trash", "\\Junk"))


def add_gmail_account(mail: MailStore, user: str, password: str) -> Labels:
    """Make an account whose mailboxes are labels; serve it with X-GM-EXT-1."""
    labels = Labels()
    mail.add_account(user, password, TREE, labels)
    labels.mailboxes = mail.mailboxes(user)
    return labels


class Labels:
    """Keeps the copies of one account's messages alike (`mailstore.Mirror`)."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, StoredMailbox] = {}
        # Email id -> mailbox id -> the copy there.
        self._copies: dict[str, dict[str, tuple[StoredMailbox, int]]] = {}
        self._is_busy = False

    def uid_in(self, mailbox: StoredMailbox, email_id: str) -> int | None:
        """The UID of a message in a mailbox that has it already."""
        found = self._copies.get(email_id, {}).get(mailbox.mailbox_id)
        return found[1] if found is not None else None

    def added(self, mailbox: StoredMailbox, message: StoredMessage) -> None:
        """A message came in: into All Mail as well, or out of everywhere else."""
        self._copies.setdefault(message.email_id, {})[mailbox.mailbox_id] = (mailbox, message.uid)
        with self._alone() as is_first:
            if not is_first:
                return
            everything = self.mailboxes.get(ALL_MAIL)
            for other, uid in self._others(mailbox, message):
                if mailbox.special_use in _ALONE or other.special_use in _ALONE:
                    other.remove([uid])
            if everything is not None and mailbox.special_use not in _ALONE:
                everything.add(message.raw, message.flags, message.internal_date_ms, message)
            self._touch(mailbox, message)

    def flagged(self, mailbox: StoredMailbox, message: StoredMessage) -> None:
        """Flags belong to the message, so every copy gets them."""
        with self._alone() as is_first:
            if is_first:
                for other, uid in self._others(mailbox, message):
                    other.set_flags(uid, message.flags)

    def removed(self, mailbox: StoredMailbox, messages: list[StoredMessage]) -> None:
        """Messages left a mailbox."""
        for message in messages:
            self._copies.get(message.email_id, {}).pop(mailbox.mailbox_id, None)
        with self._alone() as is_first:
            for message in messages if is_first else ():
                if mailbox.special_use == "\\All":
                    for other, uid in self._others(mailbox, message):
                        other.remove([uid])
                else:
                    self._touch(mailbox, message)

    def of(self, mailbox: StoredMailbox, message: StoredMessage) -> list[str]:
        """The labels of a message as seen in a mailbox, which is not named itself."""
        names = (_label(other) for other, _ in self._others(mailbox, message))
        return sorted(name for name in names if name is not None)

    def change(
        self, mailbox: StoredMailbox, message: StoredMessage, sign: str, names: Iterable[str]
    ) -> None:
        """Put labels on (`+`), take them off (`-`), or give exactly these; unknown ones are not."""
        by_name = {label: found for found in self.mailboxes.values() if (label := _label(found))}
        wanted = {name for name in names if name in by_name}
        if sign != "-":
            for name in sorted(wanted):
                target = by_name[name]
                target.add(message.raw, message.flags, message.internal_date_ms, message)
        current = set(self.of(mailbox, message))
        for name in current & wanted if sign == "-" else (current - wanted if not sign else ()):
            uid = self.uid_in(by_name[name], message.email_id)
            by_name[name].remove([uid] if uid is not None else [])

    def _others(
        self, mailbox: StoredMailbox, message: StoredMessage
    ) -> list[tuple[StoredMailbox, int]]:
        copies = self._copies.get(message.email_id, {})
        return [copy for where, copy in copies.items() if where != mailbox.mailbox_id]

    def _touch(self, mailbox: StoredMailbox, message: StoredMessage) -> None:
        """The labels seen with the other copies are others now."""
        for other, uid in self._others(mailbox, message):
            other.touch(uid)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether this is the change itself, and not one of those it brings about."""
        is_first, self._is_busy = not self._is_busy, True
        try:
            yield is_first
        finally:
            if is_first:
                self._is_busy = False


def _label(mailbox: StoredMailbox) -> str | None:
    if mailbox.path == INBOX:
        return "\\Inbox"
    if mailbox.special_use is None:
        return mailbox.path
    return _SYSTEM_LABELS.get(mailbox.special_use)
