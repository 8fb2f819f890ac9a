"""What one connection knows: who is logged in, and what it last told of the selected mailbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from postroom.demo.mailstore import INBOX, MailStore, StoredMailbox, StoredMessage
from postroom.imap import reading, utf7
from postroom.imap.errors import ProtocolViolation
from postroom.imap.server import encode_values
from postroom.imap.sets import MOST_NUMBER, UidSet, encode_set, parse_set
from postroom.imap.tokens import Token


@dataclass(slots=True)
class Answer:
    """Untagged lines, then the tagged end."""

    end: str
    lines: list[bytes] = field(default_factory=list)

    def encoded(self, tag: str) -> bytes:
        return b"".join(self.lines) + f"{tag} {self.end}\r\n".encode("latin-1", "replace")


@dataclass(slots=True)
class View:
    """The selected mailbox as this session told it: sequence number = place in `uids`."""

    mailbox: StoredMailbox
    is_read_only: bool
    uids: list[int] = field(default_factory=list)
    # UID -> MODSEQ whose flags were last told.
    told: dict[int, int] = field(default_factory=dict)

    def load(self) -> None:
        """Take over what the mailbox holds as told."""
        self.uids = list(self.mailbox.messages)
        self.told = {uid: kept.modseq for uid, kept in self.mailbox.messages.items()}

    def messages(self, numbers: Token, *, by_uid: bool) -> list[tuple[int, StoredMessage]]:
        """The messages of a set that are still there, with their sequence numbers."""
        if not isinstance(numbers, str):
            raise ProtocolViolation("A set of numbers is expected")
        wanted = parse_set(numbers)
        last = (self.uids[-1] if by_uid else len(self.uids)) if self.uids else 0
        return [
            (seq, self.mailbox.messages[uid])
            for seq, uid in enumerate(self.uids, start=1)
            if uid in self.mailbox.messages and _named(uid if by_uid else seq, wanted, last)
        ]


def _named(number: int, wanted: UidSet, last: int) -> bool:
    """Whether the set names the number; its `*` is the last one there is."""
    if number in wanted:
        return True
    return wanted.has_star and number == last and wanted.ranges[-1][1] == MOST_NUMBER


class Reporter(Protocol):
    """Tells news of what is not selected (`imap_notify`); calls `wake` when there are some."""

    wake: Callable[[], None] | None

    def lines(self) -> list[bytes]: ...

    def stop(self) -> None: ...


class Session:
    """The state of one connection."""

    def __init__(self, store: MailStore, capabilities: Iterable[str]) -> None:
        self.store = store
        self.capabilities = tuple(capabilities)
        self.user: str | None = None
        self.view: View | None = None
        self.client: dict[str, str] = {}
        self.enabled: set[str] = set()
        # What NOTIFY adds to the news, if the client asked for it.
        self.reporter: Reporter | None = None
        self.is_over = False
        self._listener: Callable[[], None] | None = None

    def has(self, capability: str) -> bool:
        return capability in self.capabilities

    @property
    def is_utf8(self) -> bool:
        """Whether mailbox names are UTF-8 (RFC 6855 3), and no longer modified UTF-7."""
        return "UTF8=ACCEPT" in self.enabled

    def name(self, path: str) -> bytes:
        """A mailbox path as it is sent."""
        return path.encode() if self.is_utf8 else utf7.encode(path).encode("ascii")

    def path(self, value: Token) -> str:
        """The mailbox path that the client sent."""
        told = (reading.text(value) or "") if self.is_utf8 else reading.mailbox(value)
        return INBOX if told.upper() == INBOX else told

    def line(self, *values: Token) -> bytes:
        """An untagged line."""
        return b"* " + encode_values(values) + b"\r\n"

    def mailboxes(self) -> dict[str, StoredMailbox]:
        return self.store.mailboxes(self.user or "")

    def enter(self, mailbox: StoredMailbox, *, is_read_only: bool) -> View:
        """Select a mailbox."""
        self.leave()
        self.view = View(mailbox, is_read_only)
        self.view.load()
        return self.view

    def leave(self) -> None:
        """Select nothing."""
        self.listen(None)
        self.view = None

    def end(self) -> None:
        """Forget everything: the connection is over."""
        self.leave()
        if self.reporter is not None:
            self.reporter.stop()
            self.reporter = None

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call `listener` whenever the selected mailbox changes."""
        listeners = self.view.mailbox.listeners if self.view is not None else set()
        if self._listener is not None:
            listeners.discard(self._listener)
        self._listener = listener
        if listener is not None:
            listeners.add(listener)

    def news(self, *, may_expunge: bool = True) -> list[bytes]:
        """What changed since it was last told; RFC 9051 7.5.1 forbids EXPUNGE at some moments."""
        lines = self._news_of_selected(may_expunge) if self.view is not None else []
        return lines + (self.reporter.lines() if self.reporter is not None else [])

    def _news_of_selected(self, may_expunge: bool) -> list[bytes]:
        view = self.view
        if view is None:
            return []
        lines = self._expunged(view) if may_expunge else []
        known = view.mailbox.messages
        fresh = [uid for uid in known if uid not in view.told]
        if fresh:
            view.uids += fresh
            view.told |= {uid: known[uid].modseq for uid in fresh}
            lines.append(self.line(str(len(view.uids)), "EXISTS"))
        for seq, uid in enumerate(view.uids, start=1):
            if uid in known and known[uid].modseq != view.told[uid]:
                lines.append(self.flags_line(seq, known[uid]))
        return lines

    def _expunged(self, view: View) -> list[bytes]:
        known = view.mailbox.messages
        gone = [(seq, uid) for seq, uid in enumerate(view.uids, start=1) if uid not in known]
        if not gone:
            return []
        view.uids = [uid for uid in view.uids if uid in known]
        for _, uid in gone:
            del view.told[uid]
        if "QRESYNC" in self.enabled:
            # RFC 7162 3.2.10: from ENABLE QRESYNC on, VANISHED instead of EXPUNGE.
            return [self.line("VANISHED", encode_set(uid for _, uid in gone))]
        return [self.line(str(seq), "EXPUNGE") for seq, _ in reversed(gone)]

    def flags_line(self, seq: int, message: StoredMessage) -> bytes:
        """The flags of a message; from now on told."""
        if self.view is not None:
            self.view.told[message.uid] = message.modseq
        items: list[Token] = ["UID", str(message.uid), "FLAGS", list(message.flags)]
        if self.has("CONDSTORE"):
            items += ["MODSEQ", [str(message.modseq)]]
        return self.line(str(seq), "FETCH", items)
