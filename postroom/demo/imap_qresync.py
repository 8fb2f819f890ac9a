"""QRESYNC (RFC 7162) of the small server: what went and what changed since a MODSEQ."""

from __future__ import annotations

from postroom.demo.imap_session import Session, View
from postroom.imap import reading
from postroom.imap.errors import ProtocolViolation
from postroom.imap.sets import encode_set, parse_set
from postroom.imap.tokens import Token


def resynchronise(session: Session, view: View, parameters: Token) -> list[bytes]:
    """What SELECT tells by `(QRESYNC (uidvalidity modseq [known UIDs]))` (RFC 7162 3.2.5)."""
    asked = reading.pairs(parameters).get("QRESYNC") if isinstance(parameters, list) else None
    if not isinstance(asked, list):
        return []
    if "QRESYNC" not in session.enabled:
        raise ProtocolViolation("QRESYNC is not enabled")
    uid_validity, since = reading.number(asked[0]), reading.number(asked[1])
    if uid_validity != view.mailbox.uid_validity or since is None:
        return []
    known = asked[2] if len(asked) > 2 and isinstance(asked[2], str) else "1:*"
    changed = [
        session.flags_line(seq, message)
        for seq, message in view.messages(known, by_uid=True)
        if message.modseq > since
    ]
    return vanished(session, view, known, since) + changed


def vanished(session: Session, view: View, numbers: Token, since: int) -> list[bytes]:
    """VANISHED (EARLIER) for the UIDs of a set that went after a MODSEQ."""
    if not isinstance(numbers, str):
        raise ProtocolViolation("A set of numbers is expected")
    wanted = parse_set(numbers)
    gone = [uid for uid in view.mailbox.expunged_since(since) if uid in wanted]
    return [session.line("VANISHED", ["EARLIER"], encode_set(gone))] if gone else []
