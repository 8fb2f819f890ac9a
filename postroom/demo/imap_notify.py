"""NOTIFY (RFC 5465) of the small server: news of the mailboxes that are not selected.

Every group that names other mailboxes than the selected one is taken to mean all of the person's:
their counters as STATUS, their names as LIST. The selected mailbox is told of as without NOTIFY.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from postroom.demo.imap_mailboxes import status_line
from postroom.demo.imap_session import Answer, Session
from postroom.demo.mailstore import DELIMITER, StoredMailbox, TreeChange
from postroom.imap.errors import ProtocolViolation
from postroom.imap.server import ClientCommand
from postroom.imap.tokens import Token

_STATUS_ITEMS: tuple[Token, ...] = ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN")
_SELECTED = frozenset(("SELECTED", "SELECTED-DELAYED"))


def notify(session: Session, command: ClientCommand) -> Answer:
    """NOTIFY NONE, or NOTIFY SET [STATUS] groups."""
    what, *rest = command.arguments
    if session.reporter is not None:
        session.reporter.stop()
        session.reporter = None
    if not isinstance(what, str) or what.upper() not in ("NONE", "SET"):
        raise ProtocolViolation("NONE or SET is expected")
    if what.upper() == "NONE" or not any(_names_others(group) for group in rest):
        return Answer("OK Done")
    reporter = MailboxReporter(session)
    session.reporter = reporter
    begins = bool(rest) and isinstance(rest[0], str) and rest[0].upper() == "STATUS"
    return Answer("OK Done", reporter.everything() if begins else [])


def _names_others(group: Token) -> bool:
    first = group[0] if isinstance(group, list) and group else None
    return isinstance(first, str) and first.upper() not in _SELECTED


class MailboxReporter:
    """Collects what changed since it was last told."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._changed: dict[str, StoredMailbox] = {}
        self._tree: list[TreeChange] = []
        self._listeners: dict[str, tuple[StoredMailbox, Callable[[], None]]] = {}
        self.wake: Callable[[], None] | None = None
        self._tree_listeners = session.store.tree_listeners(session.user or "")
        self._tree_listeners.add(self._tree_changed)
        for mailbox in session.mailboxes().values():
            self._listen(mailbox)

    def everything(self) -> list[bytes]:
        """The counters of every mailbox but the selected one."""
        return [self._counters(mailbox) for mailbox in self._others()]

    def lines(self) -> list[bytes]:
        """What is new."""
        tree, self._tree = self._tree, []
        changed, self._changed = self._changed, {}
        others = {mailbox.mailbox_id for mailbox in self._others()}
        told = [mailbox for key, mailbox in changed.items() if key in others]
        return [*map(self._listed, tree), *map(self._counters, told)]

    def stop(self) -> None:
        self._tree_listeners.discard(self._tree_changed)
        for mailbox, listener in self._listeners.values():
            mailbox.listeners.discard(listener)
        self._listeners.clear()

    def _others(self) -> list[StoredMailbox]:
        view = self._session.view
        selected = view.mailbox if view is not None else None
        return [one for one in self._session.mailboxes().values() if one is not selected]

    def _listen(self, mailbox: StoredMailbox) -> None:
        listener = partial(self._mailbox_changed, mailbox)
        mailbox.listeners.add(listener)
        self._listeners[mailbox.mailbox_id] = (mailbox, listener)

    def _mailbox_changed(self, mailbox: StoredMailbox) -> None:
        self._changed[mailbox.mailbox_id] = mailbox
        self._wake()

    def _tree_changed(self, change: TreeChange) -> None:
        self._tree.append(change)
        made = None if change.is_gone else self._session.mailboxes().get(change.path)
        if made is not None and made.mailbox_id not in self._listeners:
            self._listen(made)
        self._wake()

    def _wake(self) -> None:
        if self.wake is not None:
            self.wake()

    def _counters(self, mailbox: StoredMailbox) -> bytes:
        items = list(_STATUS_ITEMS)
        if self._session.has("CONDSTORE"):
            items.append("HIGHESTMODSEQ")
        return status_line(self._session, mailbox, items)

    def _listed(self, change: TreeChange) -> bytes:
        attributes: list[Token] = ["\\NonExistent"] if change.is_gone else []
        values: list[Token] = [
            "LIST",
            attributes,
            DELIMITER.encode(),
            self._session.name(change.path),
        ]
        if change.old_path is not None:
            values.append([b"OLDNAME", [self._session.name(change.old_path)]])
        return self._session.line(*values)
