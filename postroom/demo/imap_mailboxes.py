"""The commands of the small server that act on mailboxes (RFC 9051 6.3)."""

from __future__ import annotations

import re

from postroom.demo.imap_qresync import resynchronise
from postroom.demo.imap_session import Answer, Session
from postroom.demo.mailstore import DELIMITER, INBOX, StoredMailbox
from postroom.imap import reading, utf7
from postroom.imap.dates import parse_internal_date
from postroom.imap.errors import ProtocolViolation
from postroom.imap.server import ClientCommand
from postroom.imap.tokens import Token

# A path a client may create; longer ones are refused.
MOST_PATH = 500
# Appended messages; a demonstration needs no more.
MOST_APPENDED_BYTES = 32 * 1024 * 1024
_ENABLED = ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT")
_SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")


def enable(session: Session, command: ClientCommand) -> Answer:
    asked = [word.upper() for word in command.arguments if isinstance(word, str)]
    known = [name for name in asked if name in _ENABLED and session.has(name)]
    session.enabled.update(known)
    return Answer("OK Done", [session.line("ENABLED", *known)])


def namespace(session: Session, _command: ClientCommand) -> Answer:
    return Answer("OK Done", [session.line("NAMESPACE", [[b"", DELIMITER.encode()]], None, None)])


def list_all(session: Session, command: ClientCommand) -> Answer:
    """LIST, with RETURN (SUBSCRIBED CHILDREN SPECIAL-USE STATUS (...))."""
    reference, pattern = (reading.text(word) or "" for word in command.arguments[:2])
    if not pattern:
        return Answer("OK Done", [session.line("LIST", ["\\Noselect"], DELIMITER.encode(), b"")])
    options = _return_options(command)
    parents = _parents(session)
    lines = []
    for mailbox in _matching(session, reference + pattern):
        attributes = _attributes(session, mailbox, parents)
        if "SUBSCRIBED" in options and mailbox.is_subscribed:
            attributes.append("\\Subscribed")
        lines.append(
            session.line("LIST", attributes, DELIMITER.encode(), session.name(mailbox.path))
        )
        asked = options.get("STATUS")
        if isinstance(asked, list):
            lines.append(status_line(session, mailbox, asked))
    # Gmail lists what stands above its own mailboxes although it is none.
    for path in sorted(parents - session.mailboxes().keys() if session.has("X-GM-EXT-1") else ()):
        if _matches(reference + pattern, path):
            holder: list[Token] = ["\\HasChildren", "\\Noselect"]
            lines.append(session.line("LIST", holder, DELIMITER.encode(), session.name(path)))
    return Answer("OK Done", lines)


def list_subscribed(session: Session, command: ClientCommand) -> Answer:
    reference, pattern = (reading.text(word) or "" for word in command.arguments[:2])
    parents = _parents(session)
    lines = [
        session.line(
            "LSUB",
            _attributes(session, mailbox, parents),
            DELIMITER.encode(),
            session.name(mailbox.path),
        )
        for mailbox in _matching(session, reference + pattern)
        if mailbox.is_subscribed
    ]
    return Answer("OK Done", lines)


def _return_options(command: ClientCommand) -> dict[str, Token]:
    words = list(command.arguments[2:])
    if len(words) < 2 or words[0] != "RETURN" or not isinstance(words[1], list):
        return {}
    options: dict[str, Token] = {}
    for word in words[1]:
        if isinstance(word, str):
            options[word.upper()] = None
        elif options:
            options[next(reversed(options))] = word
    return options


def _matching(session: Session, pattern: str) -> list[StoredMailbox]:
    known = session.mailboxes()
    wanted = pattern if session.is_utf8 else utf7.decode(pattern)
    return [known[path] for path in sorted(known) if _matches(wanted, path)]


def _matches(pattern: str, path: str) -> bool:
    regex = "".join(
        ".*" if char == "*" else f"[^{DELIMITER}]*" if char == "%" else re.escape(char)
        for char in pattern
    )
    return re.fullmatch(regex, path, re.IGNORECASE) is not None


def _parents(session: Session) -> set[str]:
    """Every path that has others below it."""
    parents: set[str] = set()
    for path in session.mailboxes():
        while (path := path.rpartition(DELIMITER)[0]) and path not in parents:
            parents.add(path)
    return parents


def _attributes(session: Session, mailbox: StoredMailbox, parents: set[str]) -> list[Token]:
    has_children = mailbox.path in parents
    attributes: list[Token] = ["\\HasChildren" if has_children else "\\HasNoChildren"]
    if mailbox.special_use and session.has("SPECIAL-USE"):
        attributes.append(mailbox.special_use)
    return attributes


def _path(session: Session, command: ClientCommand, at: int = 0) -> str:
    return session.path(command.arguments[at])


def status(session: Session, command: ClientCommand) -> Answer:
    mailbox = session.mailboxes().get(_path(session, command))
    asked = command.arguments[1]
    if mailbox is None:
        return _missing()
    if not isinstance(asked, list):
        raise ProtocolViolation("A list of items is expected")
    return Answer("OK Done", [status_line(session, mailbox, asked)])


def status_line(session: Session, mailbox: StoredMailbox, asked: list[Token]) -> bytes:
    """The counters of a mailbox that were asked for."""
    messages = mailbox.messages.values()
    known: dict[str, int | str] = {
        "MESSAGES": len(messages),
        "UIDNEXT": mailbox.uid_next,
        "UIDVALIDITY": mailbox.uid_validity,
        "UNSEEN": sum("\\Seen" not in message.flags for message in messages),
        "DELETED": sum("\\Deleted" in message.flags for message in messages),
        "SIZE": sum(len(message.raw) for message in messages),
        "RECENT": 0,
        "HIGHESTMODSEQ": mailbox.highest_modseq,
    }
    if session.has("APPENDLIMIT"):
        known["APPENDLIMIT"] = MOST_APPENDED_BYTES
    if session.has("OBJECTID"):
        known["MAILBOXID"] = mailbox.mailbox_id
    told: list[Token] = []
    for item in asked:
        if not isinstance(item, str) or item.upper() not in known:
            raise ProtocolViolation("Unknown status item")
        value = str(known[item.upper()])
        told += [item.upper(), [value] if item.upper() == "MAILBOXID" else value]
    return session.line("STATUS", session.name(mailbox.path), told)


def create(session: Session, command: ClientCommand) -> Answer:
    path = _path(session, command).removesuffix(DELIMITER)
    if path in session.mailboxes():
        return Answer("NO [ALREADYEXISTS] Mailbox exists already")
    if not path or len(path) > MOST_PATH:
        return Answer("NO [CANNOT] Invalid mailbox name")
    made = session.store.create(session.user or "", path)
    code = f"[MAILBOXID ({made.mailbox_id})] " if session.has("OBJECTID") else ""
    return Answer(f"OK {code}Done")


def delete(session: Session, command: ClientCommand) -> Answer:
    path = _path(session, command)
    if path == INBOX:
        return Answer("NO [CANNOT] INBOX cannot be deleted")
    if path not in session.mailboxes():
        return _missing()
    session.store.delete(session.user or "", path)
    return Answer("OK Done")


def rename(session: Session, command: ClientCommand) -> Answer:
    path, new = _path(session, command), _path(session, command, 1)
    if path not in session.mailboxes():
        return _missing()
    if new in session.mailboxes() or path == INBOX:
        return Answer("NO [ALREADYEXISTS] Mailbox exists already")
    session.store.rename(session.user or "", path, new)
    return Answer("OK Done")


def subscribe(session: Session, command: ClientCommand) -> Answer:
    return _subscription(session, command, is_subscribed=True)


def unsubscribe(session: Session, command: ClientCommand) -> Answer:
    return _subscription(session, command, is_subscribed=False)


def _subscription(session: Session, command: ClientCommand, *, is_subscribed: bool) -> Answer:
    mailbox = session.mailboxes().get(_path(session, command))
    if mailbox is None:
        return _missing()
    mailbox.is_subscribed = is_subscribed
    return Answer("OK Done")


def select(session: Session, command: ClientCommand) -> Answer:
    return _open(session, command, is_read_only=False)


def examine(session: Session, command: ClientCommand) -> Answer:
    return _open(session, command, is_read_only=True)


def _open(session: Session, command: ClientCommand, *, is_read_only: bool) -> Answer:
    mailbox = session.mailboxes().get(_path(session, command))
    # RFC 7162 3.2.11: what comes before this was about the mailbox selected until now.
    closed = [session.line("OK", "[CLOSED] Previous mailbox closed")] if session.view else []
    if mailbox is None:
        # RFC 9051 6.3.2: a failed SELECT leaves no mailbox selected.
        session.leave()
        return Answer(_missing().end, closed)
    view = session.enter(mailbox, is_read_only=is_read_only)
    lines = [
        *closed,
        session.line("FLAGS", list(_SYSTEM_FLAGS)),
        session.line(str(len(view.uids)), "EXISTS"),
        session.line("OK", f"[PERMANENTFLAGS ({' '.join(_SYSTEM_FLAGS)} \\*)]", "Limited"),
        session.line("OK", f"[UIDVALIDITY {mailbox.uid_validity}]", "UIDs valid"),
        session.line("OK", f"[UIDNEXT {mailbox.uid_next}]", "Predicted next UID"),
    ]
    if session.has("CONDSTORE"):
        lines.append(session.line("OK", f"[HIGHESTMODSEQ {mailbox.highest_modseq}]", "Highest"))
    if session.has("OBJECTID"):
        lines.append(session.line("OK", f"[MAILBOXID ({mailbox.mailbox_id})]", "Id"))
    lines += resynchronise(session, view, command.arguments[1] if command.arguments[1:] else None)
    return Answer(f"OK [READ-{'ONLY' if is_read_only else 'WRITE'}] Selected", lines)


def append(session: Session, command: ClientCommand) -> Answer:
    """APPEND mailbox [flags] [date] message."""
    mailbox = session.mailboxes().get(_path(session, command))
    if mailbox is None:
        return Answer("NO [TRYCREATE] No such mailbox")
    *options, raw = command.arguments[1:]
    if not isinstance(raw, bytes):
        raise ProtocolViolation("A message is expected")
    flags = next((reading.flags(option) for option in options if isinstance(option, list)), ())
    dates = [option for option in options if isinstance(option, bytes)]
    date = parse_internal_date(dates[0]) if dates else None
    uid = mailbox.add(raw, flags, session.store.now_ms() if date is None else date)
    code = f"[APPENDUID {mailbox.uid_validity} {uid}] " if session.has("UIDPLUS") else ""
    return Answer(f"OK {code}Done", session.news())


def _missing() -> Answer:
    return Answer("NO [NONEXISTENT] No such mailbox")
