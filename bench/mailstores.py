"""Mail for the benches, and a Dovecot that has it ready.

Mail is kept in mdbox, Dovecot's own format, because its index is the truth: a Maildir of 50,000
files is read anew at each opening, for seconds, and the disk would be what is measured. One user is
filled over IMAP in one go; others are copies of its files. The last use leaves the indexes warm.
"""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.fakes.dovecot import PASSWORD, Dovecot, message, running_dovecot

# November 2023: old mail, as nearly all of a grown mailbox is.
FIRST_ARRIVAL_S = 1_700_000_000
_PATTERN = message("Message %d", message_id="<%d@bench.example>")
# Messages of one APPEND (RFC 3502).
BATCH = 5_000
# What Dovecot may take for one such batch.
BATCH_TIMEOUT_S = 120.0
# Room for thousands of sessions from one address, and for command connections beside them. A
# process of its own for each session is Dovecot's default and is left alone, because it is a part
# of what a login takes in the real world, and of the raw figure.
_CONF = """
ssl = {ssl}
mail_location = mdbox:~/mdbox
mail_max_userip_connections = 10000
default_client_limit = 30000
service imap {{
  process_limit = 10000
}}
service imap-login {{
  client_limit = 10000
}}
"""


@contextmanager
def roomy_dovecot(*, has_tls: bool = False) -> Iterator[Dovecot]:
    """A Dovecot for thousands of sessions; without TLS it offers no STARTTLS either."""
    with running_dovecot(_CONF.format(ssl="yes" if has_tls else "no")) as dovecot:
        yield dovecot


def fill_inboxes(dovecot: Dovecot, users: Sequence[str], count: int) -> None:
    """Put `count` messages into the INBOX of each user; every other one is read."""
    first, *others = users
    with socket.create_connection(("127.0.0.1", dovecot.port), BATCH_TIMEOUT_S) as session:
        _ask(session, f"LOGIN {first} {PASSWORD}".encode())
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            _ask(session, b"APPEND INBOX" + b"".join(map(_appended, numbers)))
        _ask(session, b"SELECT INBOX")
        _ask(session, b"LOGOUT")
    mail = dovecot.directory / "mail"
    owner = mail.stat()
    for user in others:
        shutil.copytree(mail / first, mail / user)
        for path in (mail / user, *(mail / user).rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def _appended(number: int) -> bytes:
    """One message of a MULTIAPPEND, its literal not asked for (RFC 7888)."""
    raw = _PATTERN % (number, number)
    when = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(FIRST_ARRIVAL_S + number))
    flags = b"(\\Seen)" if number % 2 else b"()"
    return b' %s "%s" {%d+}\r\n%s' % (flags, when.encode(), len(raw), raw)


def _ask(session: socket.socket, command: bytes) -> None:
    session.sendall(b"a " + command + b"\r\n")
    said = b""
    while b"\r\na " not in b"\r\n" + said or not said.endswith(b"\r\n"):
        piece = session.recv(65536)
        assert piece, "the server closed the connection"
        said += piece
    assert said.splitlines()[-1].startswith(b"a OK"), said[-500:]
