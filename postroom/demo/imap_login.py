"""LOGIN and AUTHENTICATE PLAIN of the small server."""

from __future__ import annotations

import base64
import binascii

from postroom.demo.imap_session import Answer, Session
from postroom.imap import reading
from postroom.imap.server import ClientCommand


def log_in_with_password(session: Session, command: ClientCommand) -> Answer:
    """LOGIN user password."""
    user, password = (reading.text(word) or "" for word in command.arguments[:2])
    return _log_in(session, user, password)


def log_in_plain(session: Session, command: ClientCommand, response: str) -> Answer:
    """AUTHENTICATE PLAIN with the client's response (RFC 4616)."""
    if session.user is not None:
        return Answer("BAD Logged in already")
    if not command.arguments or str(command.arguments[0]).upper() != "PLAIN":
        return Answer("NO [CANNOT] Only PLAIN is known")
    try:
        words = base64.b64decode(response, validate=True).decode().split("\0")
    except (binascii.Error, UnicodeDecodeError):
        words = []
    if len(words) != 3:
        return Answer("BAD Malformed response")
    return _log_in(session, words[1], words[2])


def _log_in(session: Session, user: str, password: str) -> Answer:
    if not session.store.is_password(user, password):
        return Answer("NO [AUTHENTICATIONFAILED] Authentication failed")
    session.user = user
    return Answer(f"OK [CAPABILITY {' '.join(session.capabilities)}] Logged in")
