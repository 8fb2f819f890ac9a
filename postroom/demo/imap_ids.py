"""What the small server tells of a message besides its content: stable ids (OBJECTID, RFC 8474)
and, where mailboxes are labels, Gmail's own items (X-GM-EXT-1)."""

from __future__ import annotations

from postroom.demo.gmail import Labels
from postroom.demo.imap_session import Answer, Session, View
from postroom.demo.mailstore import StoredMailbox, StoredMessage
from postroom.imap import reading
from postroom.imap.server import ClientCommand
from postroom.imap.tokens import Token


def item(
    session: Session, mailbox: StoredMailbox, message: StoredMessage, name: str
) -> list[Token]:
    """Name and value of an item, empty when it is none of these."""
    if session.has("OBJECTID"):
        ids: dict[str, Token] = {"EMAILID": [message.email_id], "THREADID": [message.thread_id]}
        if name in ids:
            return [name, ids[name]]
    if session.has("X-GM-EXT-1"):
        known: dict[str, Token] = {
            "X-GM-MSGID": message.email_id,
            "X-GM-THRID": message.thread_id,
            "X-GM-LABELS": [*labels_of(session, mailbox, message)],
        }
        if name in known:
            return [name, known[name]]
    return []


def labels_of(session: Session, mailbox: StoredMailbox, message: StoredMessage) -> list[bytes]:
    """The labels as they are sent."""
    labels = _labels(session)
    names = labels.of(mailbox, message) if labels is not None else []
    return [session.name(name) for name in names]


def store_labels(
    session: Session, view: View, command: ClientCommand, sign: str, *, is_silent: bool
) -> Answer:
    """STORE [+-]X-GM-LABELS (...)."""
    numbers, _, told = command.arguments[:3]
    by_uid = command.name.startswith("UID ")
    names = reading.labels(told if isinstance(told, list) else list(command.arguments[2:]))
    labels = _labels(session)
    lines = []
    for seq, message in view.messages(numbers, by_uid=by_uid):
        if labels is not None:
            labels.change(view.mailbox, message, sign, names)
        values: list[Token] = ["X-GM-LABELS", [*labels_of(session, view.mailbox, message)]]
        lines.append(session.line(str(seq), "FETCH", ["UID", str(message.uid), *values]))
    return Answer("OK Done", ([] if is_silent else lines) + session.news(may_expunge=by_uid))


def _labels(session: Session) -> Labels | None:
    mirror = session.store.mirror(session.user or "")
    return mirror if isinstance(mirror, Labels) else None
