"""The commands of the small server that act on the selected mailbox (RFC 9051 6.4)."""

from __future__ import annotations

import re

from postroom.demo import imap_ids, rendering
from postroom.demo.imap_qresync import vanished
from postroom.demo.imap_session import Answer, Session, View
from postroom.demo.mailstore import StoredMailbox, StoredMessage
from postroom.imap import reading
from postroom.imap.dates import internal_date_text
from postroom.imap.errors import ProtocolViolation
from postroom.imap.server import ClientCommand
from postroom.imap.sets import encode_set
from postroom.imap.tokens import Token

_MACROS = {
    "FAST": ["FLAGS", "INTERNALDATE", "RFC822.SIZE"],
    "ALL": ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"],
    "FULL": ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"],
}
_SECTION = re.compile(r"BODY(\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?\Z")
_ALONE = ("\\Trash", "\\Junk")
_WHOLE = {"RFC822": "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT"}


def _view(session: Session) -> View:
    if session.view is None:
        raise ProtocolViolation("No mailbox is selected")
    return session.view


def _is_by_uid(command: ClientCommand) -> bool:
    return command.name.startswith("UID ")


def fetch(session: Session, command: ClientCommand) -> Answer:
    view = _view(session)
    by_uid = _is_by_uid(command)
    items = _items(command.arguments[1], by_uid=by_uid)
    modifiers = command.arguments[2] if len(command.arguments) > 2 else None
    since = _changed_since(modifiers)
    if since is not None and "MODSEQ" not in items:
        items.append("MODSEQ")
    lines = _vanished(session, view, command, since)
    for seq, message in view.messages(command.arguments[0], by_uid=by_uid):
        if since is None or message.modseq > since:
            lines.append(_fetched(session, view, seq, message, items))
    return Answer("OK Done", lines + session.news(may_expunge=by_uid))


def _items(asked: Token, *, by_uid: bool) -> list[str]:
    words = asked if isinstance(asked, list) else [asked]
    items: list[str] = []
    for word in words:
        if not isinstance(word, str):
            raise ProtocolViolation("Fetch items are expected")
        items += _MACROS.get(word.upper(), [word.upper()])
    return items if not by_uid or "UID" in items else ["UID", *items]


def _changed_since(modifiers: Token) -> int | None:
    if not isinstance(modifiers, list):
        return None
    return reading.number(reading.pairs(modifiers).get("CHANGEDSINCE"))


def _vanished(
    session: Session, view: View, command: ClientCommand, since: int | None
) -> list[bytes]:
    """What UID FETCH tells of UIDs that are gone, when asked to (RFC 7162 3.2.6)."""
    modifiers = command.arguments[2] if len(command.arguments) > 2 else None
    words = modifiers if isinstance(modifiers, list) else []
    if "VANISHED" not in [word.upper() for word in words if isinstance(word, str)]:
        return []
    if since is None or not _is_by_uid(command) or "QRESYNC" not in session.enabled:
        raise ProtocolViolation("VANISHED is not possible here")
    return vanished(session, view, command.arguments[0], since)


def _fetched(
    session: Session, view: View, seq: int, message: StoredMessage, items: list[str]
) -> bytes:
    is_seen = any(_marks_seen(item) for item in items) and not view.is_read_only
    if is_seen and "\\Seen" not in message.flags:
        view.mailbox.set_flags(message.uid, (*message.flags, "\\Seen"))
        items = items if "FLAGS" in items else [*items, "FLAGS"]
    if "FLAGS" in items:
        view.told[message.uid] = message.modseq
    values: list[Token] = []
    for item in items:
        values += _item(session, view, message, item)
    return session.line(str(seq), "FETCH", values)


def _marks_seen(item: str) -> bool:
    found = _SECTION.match(item)
    return (found is not None and not found[1]) or item in ("RFC822", "RFC822.TEXT")


def _item(session: Session, view: View, message: StoredMessage, item: str) -> list[Token]:
    """Name and value of one item."""
    found = _SECTION.match(item)
    if found is not None:
        return _section(message, found)
    if item in _WHOLE:
        return [item, rendering.section(rendering.parse(message.raw), _WHOLE[item])]
    if identified := imap_ids.item(session, view.mailbox, message, item):
        return identified
    return [item, _value(message, item)]


def _value(message: StoredMessage, item: str) -> Token:
    if item == "UID":
        return str(message.uid)
    if item == "FLAGS":
        return list(message.flags)
    if item == "MODSEQ":
        return [str(message.modseq)]
    if item == "RFC822.SIZE":
        return str(len(message.raw))
    if item == "INTERNALDATE":
        return internal_date_text(message.internal_date_ms).encode("ascii")
    if item == "ENVELOPE":
        return rendering.envelope(rendering.parse(message.raw))
    if item in ("BODYSTRUCTURE", "BODY"):
        return rendering.structure(rendering.parse(message.raw))
    raise ProtocolViolation("Unknown fetch item")


def _section(message: StoredMessage, found: re.Match[str]) -> list[Token]:
    data = rendering.section(rendering.parse(message.raw), found[2])
    if found[3] is None:
        return [f"BODY[{found[2]}]", data]
    start, length = int(found[3]), int(found[4])
    part = None if data is None else data[start : start + length]
    return [f"BODY[{found[2]}]<{start}>", part]


def store(session: Session, command: ClientCommand) -> Answer:
    view = _view(session)
    by_uid = _is_by_uid(command)
    numbers, what, told = command.arguments[:3]
    if not isinstance(what, str) or view.is_read_only:
        return Answer("NO [READ-ONLY] Not possible here")
    sign = what[0] if what[0] in "+-" else ""
    name, _, silent = what.lstrip("+-").upper().partition(".")
    if name == "X-GM-LABELS" and session.has("X-GM-EXT-1"):
        return imap_ids.store_labels(session, view, command, sign, is_silent=bool(silent))
    if name != "FLAGS":
        raise ProtocolViolation("Unknown store item")
    flags = reading.flags(told if isinstance(told, list) else list(command.arguments[2:]))
    lines = []
    for seq, message in view.messages(numbers, by_uid=by_uid):
        view.mailbox.set_flags(message.uid, _after(message.flags, sign, flags))
        line = session.flags_line(seq, message)
        if not silent:
            lines.append(line)
    return Answer("OK Done", lines + session.news(may_expunge=by_uid))


def _after(known: tuple[str, ...], sign: str, told: tuple[str, ...]) -> tuple[str, ...]:
    if sign == "+":
        return known + told
    if sign == "-":
        return tuple(flag for flag in known if flag not in told)
    return told


def copy(session: Session, command: ClientCommand) -> Answer:
    view = _view(session)
    target = _target(session, command)
    if target is None:
        return Answer("NO [TRYCREATE] No such mailbox")
    chosen = view.messages(command.arguments[0], by_uid=_is_by_uid(command))
    code = _copied(session, target, [message for _, message in chosen])
    return Answer(f"OK {code}Done", session.news(may_expunge=_is_by_uid(command)))


def move(session: Session, command: ClientCommand) -> Answer:
    view = _view(session)
    target = _target(session, command)
    if target is None:
        return Answer("NO [TRYCREATE] No such mailbox")
    chosen = view.messages(command.arguments[0], by_uid=_is_by_uid(command))
    messages = [message for _, message in chosen]
    code = _copied(session, target, messages)
    # Where mailboxes are labels, nothing leaves All Mail by getting one more.
    if not (view.mailbox.special_use == "\\All" and target.special_use not in _ALONE):
        view.mailbox.remove(message.uid for message in messages)
    told = [session.line("OK", f"{code}Moved")] if code else []
    return Answer("OK Done", told + session.news())


def _target(session: Session, command: ClientCommand) -> StoredMailbox | None:
    return session.mailboxes().get(session.path(command.arguments[1]))


def _copied(session: Session, target: StoredMailbox, messages: list[StoredMessage]) -> str:
    """Copy; the COPYUID code of RFC 4315, empty when nothing was copied or it is not offered."""
    copies = [
        target.add(message.raw, message.flags, message.internal_date_ms, message)
        for message in messages
    ]
    if not copies or not session.has("UIDPLUS"):
        return ""
    source = encode_set(message.uid for message in messages)
    return f"[COPYUID {target.uid_validity} {source} {encode_set(copies)}] "


def expunge(session: Session, command: ClientCommand) -> Answer:
    """EXPUNGE, or UID EXPUNGE of these only."""
    view = _view(session)
    if view.is_read_only:
        return Answer("NO [READ-ONLY] Not possible here")
    numbers = command.arguments[0] if _is_by_uid(command) else "1:*"
    chosen = view.messages(numbers, by_uid=True)
    view.mailbox.remove(message.uid for _, message in chosen if "\\Deleted" in message.flags)
    return Answer("OK Done", session.news())


def close(session: Session, _command: ClientCommand) -> Answer:
    view = _view(session)
    if not view.is_read_only:
        known = view.mailbox.messages.values()
        view.mailbox.remove([kept.uid for kept in known if "\\Deleted" in kept.flags])
    session.leave()
    return Answer("OK Done")


def unselect(session: Session, _command: ClientCommand) -> Answer:
    session.leave()
    return Answer("OK Done")
