"""Mail servers of every kind, behind one small interface, by name.

A profile of Dovecot hides extensions by `imap_capability`: Dovecot then does not name them, and
would still obey; so a client that uses what is not announced is not found out by its failing, but
by the transcript. Cyrus and pymap are other authors' readings of the same RFCs; `demo` is
the product's own server, with whose reading it should agree all the same.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from imaplib import IMAP4
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from tests.fakes import cyrus_tree
from tests.fakes.cyrus import running_cyrus
from tests.fakes.demo import running_demo
from tests.fakes.dovecot import running_dovecot
from tests.fakes.pymap import running_pymap

# The one user that every server knows.
USER = "person"


class MailServer(Protocol):
    """A running server."""

    port: int

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def restart(self) -> None: ...

    def client(self, user: str) -> IMAP4: ...

    def deliver(self, user: str, raw: bytes, mailbox: str = "INBOX", flags: str = "") -> None: ...

    def change_uid_validity(self, user: str, mailbox: str) -> bool:
        """Give a mailbox a greater UIDVALIDITY; False where the server has no tool for it."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of server."""

    run: Callable[[], AbstractContextManager[MailServer]]
    # Why it cannot be had on this machine; None when it can.
    missing: Callable[[], str | None]


# What Dovecot 2.3.19 announces after login.
_DOVECOT_WORDS = (
    *("IMAP4rev1", "SASL-IR", "LOGIN-REFERRALS", "ID", "ENABLE", "IDLE", "LITERAL+", "SORT"),
    *("SORT=DISPLAY", "THREAD=REFERENCES", "THREAD=REFS", "THREAD=ORDEREDSUBJECT", "MULTIAPPEND"),
    *("URL-PARTIAL", "CATENATE", "UNSELECT", "CHILDREN", "NAMESPACE", "UIDPLUS", "LIST-EXTENDED"),
    *("I18NLEVEL=1", "CONDSTORE", "QRESYNC", "ESEARCH", "ESORT", "SEARCHRES", "WITHIN"),
    *("CONTEXT=SEARCH", "LIST-STATUS", "BINARY", "MOVE", "SNIPPET=FUZZY", "PREVIEW=FUZZY"),
    *("PREVIEW", "STATUS=SIZE", "SAVEDATE", "NOTIFY", "SPECIAL-USE"),
)
_HIDDEN: Final = {
    "no-qresync": ("QRESYNC",),
    "no-condstore": ("CONDSTORE", "QRESYNC"),
    "no-idle": ("IDLE", "NOTIFY"),
    "no-uidplus-move": ("UIDPLUS", "MOVE"),
    "no-list-extensions": ("LIST-STATUS", "LIST-EXTENDED", "SPECIAL-USE"),
    "no-notify": ("NOTIFY",),
}
# With dirty syncs a rebuilt index forgets the flags, which are in the names of the files.
_TRUE_FLAGS = "maildir_very_dirty_syncs = no\n"
# A tree like Gmail's: every message is in a mailbox of its own and, once more, in one that has the
# special use \All; a change in one shows in the other.
_ALL_MAIL = """
mail_plugins = virtual
namespace all {{
  prefix = [All]/
  separator = /
  location = virtual:{virtual}:INDEX=~/virtual
  mailbox Mail {{
    special_use = \\All
  }}
}}
"""


def _dovecot(extra: str = "") -> AbstractContextManager[MailServer]:
    return running_dovecot(_TRUE_FLAGS + extra)


def _hiding(*words: str) -> AbstractContextManager[MailServer]:
    """A Dovecot that names these words only; without TLS, so that a proxy sees what is said."""
    return _dovecot(f"ssl = no\nimap_capability = {' '.join(words)}\n")


def _without(*hidden: str) -> AbstractContextManager[MailServer]:
    words = [word for word in _DOVECOT_WORDS if word not in hidden]
    return _hiding(*words)


@contextmanager
def _with_all_mail() -> Iterator[MailServer]:
    directory = Path(tempfile.mkdtemp(prefix="postroom-virtual-"))
    directory.chmod(0o755)
    (directory / "Mail").mkdir()
    (directory / "Mail" / "dovecot-virtual").write_text("*\n-[All]/*\n  all\n")
    try:
        with _dovecot(_ALL_MAIL.format(virtual=directory)) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _dovecot_is_missing() -> str | None:
    return None if shutil.which("dovecot") else "needs the Debian package dovecot-imapd"


def _cyrus_is_missing() -> str | None:
    return None if cyrus_tree.is_there() else "needs `python -m tests.fakes.cyrus_tree`"


def _pymap_is_missing() -> str | None:
    return None if find_spec("pymap") else "needs the Python package pymap"


PROFILES: Final[dict[str, Profile]] = {
    "full": Profile(_dovecot, _dovecot_is_missing),
    **{
        name: Profile(partial(_without, *hidden), _dovecot_is_missing)
        for name, hidden in _HIDDEN.items()
    },
    "minimal": Profile(partial(_hiding, "IMAP4rev1"), _dovecot_is_missing),
    "all-mail": Profile(_with_all_mail, _dovecot_is_missing),
    "cyrus": Profile(running_cyrus, _cyrus_is_missing),
    "pymap": Profile(running_pymap, _pymap_is_missing),
    "demo": Profile(running_demo, lambda: None),
    "gmail": Profile(partial(running_demo, is_gmail=True), lambda: None),
}
