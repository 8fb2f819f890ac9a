"""The other program that works in an account's mailboxes, and the true history it leaves.

It is the only one that changes anything, and after each change it looks at the mailboxes concerned
over its own connection: so what it noted is the truth, whatever the product was told meanwhile.
"""

from __future__ import annotations

import enum
import random
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from imaplib import IMAP4

from tests.fakes.dovecot import message
from tests.fakes.profiles import USER, MailServer

# Path, UIDVALIDITY, UID.
Place = tuple[str, int, int]
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "work", "later")
# Most that one burst appends.
BURST = 5
# INTERNALDATE has whole seconds: what is later by this much has a later date.
NEXT_SECOND_S = 1.1
MOST_MAILBOXES = 10
# What an account with X-GM-EXT-1 watches by default: everything is in one of these.
GMAIL_OWN = frozenset(("[Gmail]/All Mail", "[Gmail]/Trash", "[Gmail]/Spam"))


class Standing(enum.Enum):
    """Whether a message has to be announced."""

    MUST = "must"
    # It came into a mailbox that may not have been seen before, and is older than that mailbox.
    MAY = "may"
    # It was there before the account, or before a new UIDVALIDITY.
    NEVER = "never"


@dataclass(slots=True)
class Fact:
    """What is true of one message."""

    flags: frozenset[str]
    standing: Standing
    # Every set of flags it ever had.
    past: set[frozenset[str]] = field(default_factory=set)
    is_there: bool = True


@dataclass(slots=True)
class Truth:
    """The mailboxes as they are, and everything that ever was."""

    # Path -> UIDVALIDITY, of the mailboxes that exist.
    mailboxes: dict[str, int] = field(default_factory=dict)
    facts: dict[Place, Fact] = field(default_factory=dict)
    # Every (path, UIDVALIDITY) that ever was, and every path that ever went.
    ever: set[tuple[str, int]] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)

    def present(self) -> dict[Place, Fact]:
        return {place: fact for place, fact in self.facts.items() if fact.is_there}

    def note_mailbox(self, path: str, validity: int) -> None:
        """A mailbox exists; messages of an earlier one of that name are gone with it."""
        if self.mailboxes.get(path, validity) != validity:
            self.note_gone(path)
        self.mailboxes[path] = validity
        self.ever.add((path, validity))

    def note_gone(self, path: str) -> None:
        self.mailboxes.pop(path, None)
        self.gone.add(path)
        for place, fact in self.facts.items():
            if place[0] == path:
                fact.is_there = False

    def note_messages(
        self, path: str, found: dict[int, frozenset[str]], standing: Standing
    ) -> None:
        """The messages of a mailbox as they are now; those not known came as `standing` says."""
        validity = self.mailboxes[path]
        for place, fact in self.facts.items():
            if place[:2] == (path, validity) and fact.is_there and place[2] not in found:
                fact.is_there = False
        for uid, flags in found.items():
            fact = self.facts.get((path, validity, uid))
            if fact is None:
                fact = self.facts[path, validity, uid] = Fact(flags, standing)
            fact.is_there, fact.flags = True, flags
            fact.past.add(flags)

    def note_stored(self, path: str, uid: int, sign: str, flag: str) -> None:
        """The server took a change of a flag: those flags were true, even if a look right after it
        did not show them (Cyrus has answered from what a session knew before)."""
        fact = self.facts.get((path, self.mailboxes[path], uid))
        if fact is not None:
            flags = fact.flags | {flag} if sign == "+" else fact.flags - {flag}
            fact.past.add(flags)


class Person:
    """Works in the mailboxes at random; `truth` follows."""

    def __init__(self, server: MailServer, dice: random.Random, user: str = USER) -> None:
        self._server = server
        self._user = user
        self._client = server.client(user)
        self._dice = dice
        _, words = self._client.capability()
        self.capabilities = frozenset(words[-1].decode().upper().split())
        # The mailboxes that an account watches by default; None for all.
        self.watched = GMAIL_OWN if "X-GM-EXT-1" in self.capabilities else None
        self.truth = Truth()
        # Mailboxes that the product may not have seen yet as they are.
        self._young: set[str] = set()
        self._mails = 0
        self._names = 0
        # How often each thing was done.
        self.done: Counter[str] = Counter()

    def prepare(self) -> None:
        """Some mailboxes with some mail, before the account is registered."""
        for path in ("Archive", "Projects"):
            self._client.create(path)
        for path in ("INBOX", "INBOX", "Archive", "Archive", "Projects"):
            self._append(path)
        self.look_everywhere(Standing.NEVER)
        time.sleep(NEXT_SECOND_S)

    def settled(self) -> None:
        """The product has seen everything as it is."""
        self._young.clear()

    def leave(self) -> None:
        self._client.logout()

    def step(self) -> None:
        """Do one thing."""
        doings = {
            self.append: 6, self.burst: 2, self.flag: 8, self.expunge: 4, self.move: 5,
            self.copy: 3, self.add_remove_add: 3, self.flag_there_and_back: 1,
            self.create: 1, self.rename: 0.5, self.delete: 0.7, self.recreate: 0.3,
        }  # fmt: skip
        doing = self._dice.choices(list(doings), list(doings.values()))[0]
        self.done[doing.__name__] += 1
        doing()

    def append(self) -> None:
        path = self._mailbox()
        self._append(path)
        self._look(path)

    def burst(self) -> None:
        path = self._mailbox()
        for _ in range(self._dice.randrange(2, BURST + 1)):
            self._append(path)
        self._look(path)

    def flag(self) -> None:
        if some := self._some():
            self._store(*some, self._dice.choice("+-"), self._dice.choice(FLAGS))

    def flag_there_and_back(self) -> None:
        if some := self._some():
            for sign in "+-":
                self._store(*some, sign, "\\Flagged")

    def expunge(self) -> None:
        if some := self._some():
            self._expunge(*some)

    def move(self) -> None:
        if not (some := self._some()):
            return
        path, uid = some
        to = self._mailbox(other_than=path)
        if "MOVE" in self.capabilities:
            self._select(path)
            self._client.uid("MOVE", str(uid), _quoted(to))
            # Cyrus moves by a copy, \Deleted and an expunge, and other sessions may see that.
            self.truth.note_stored(path, uid, "+", "\\Deleted")
            self._look(to, standing=self._standing_after_transfer(to))
            self._look(path)
        else:
            self._copy(path, uid, to)
            self._expunge(path, uid)

    def copy(self) -> None:
        if some := self._some():
            path, uid = some
            self._copy(path, uid, self._mailbox(other_than=path))

    def add_remove_add(self) -> None:
        """Several changes in both directions, which the product may see in one look."""
        path = self._mailbox()
        for is_last in (False, True):
            self._append(path)
            self._look(path)
            if not is_last:
                self._expunge(path, max(self._uids(path)))

    def create(self) -> None:
        if len(self.truth.mailboxes) < MOST_MAILBOXES:
            self._names += 1
            self._create(f"Box{self._names}")

    def rename(self) -> None:
        if path := self._spare():
            self._names += 1
            new = f"Box{self._names}"
            self._step_aside()
            status, _ = self._client.rename(_quoted(path), _quoted(new))
            if status == "OK":
                self._young.add(new)
                self.look_everywhere(Standing.MAY)

    def delete(self) -> None:
        if path := self._spare():
            self._delete(path)

    def recreate(self) -> None:
        """Another mailbox under the old name."""
        if (path := self._spare()) and self._delete(path):
            time.sleep(NEXT_SECOND_S)
            self._create(path)
            self._append(path)
            self._look(path)

    def change_uid_validity(self) -> None:
        """To be called when the product has seen everything."""
        path = self._dice.choice(("INBOX", "Archive"))
        self._step_aside("Projects")
        if self._server.change_uid_validity(self._user, path):
            self.done["change_uid_validity"] += 1
            # Sessions that had the mailbox open are told good-bye.
            self._client = self._server.client(self._user)
            self._young.add(path)
            self._look(path, Standing.NEVER)
            time.sleep(NEXT_SECOND_S)

    def look_everywhere(self, standing: Standing = Standing.MUST) -> None:
        """Note every mailbox and every message."""
        paths = self._listed()
        for path in set(self.truth.mailboxes) - set(paths):
            self.truth.note_gone(path)
        for path in paths:
            self._look_at(path, standing)

    def _look(self, path: str, standing: Standing = Standing.MUST) -> None:
        """Note the messages of a mailbox, and of those where a change of it shows, too."""
        self._look_at(path, standing)
        for other in [other for other in self.truth.mailboxes if _shows_others(other)]:
            self._look_at(other, Standing.MUST)

    def _look_at(self, path: str, standing: Standing) -> None:
        try:
            validity, rows = self._fetch_flags(path)
        except IMAP4.abort:
            # Dovecot's good-bye to whoever has an index open that was built anew.
            self._client = self._server.client(self._user)
            validity, rows = self._fetch_flags(path)
        self.truth.note_mailbox(path, validity)
        self.truth.note_messages(path, dict(_read(rows)), standing)

    def _fetch_flags(self, path: str) -> tuple[int, list[bytes | None]]:
        self._client.select(_quoted(path), readonly=True)
        validity = int(self._client.response("UIDVALIDITY")[1][0])
        return validity, self._client.uid("FETCH", "1:*", "(FLAGS)")[1]

    def _listed(self) -> list[str]:
        _, rows = self._client.list()
        found = [_LISTED.fullmatch(row) for row in rows if row]
        return [
            match.group("path").decode()
            for match in found
            if match and not _NOT_THERE.search(match.group("attributes"))
        ]

    def _append(self, path: str) -> None:
        self._mails += 1
        raw = message(f"Mail {self._mails}", message_id=f"<{self._mails}@history>")
        flags = " ".join(self._dice.sample(FLAGS, self._dice.randrange(3)))
        status, reply = self._client.append(_quoted(path), f"({flags})", "", raw)
        assert status == "OK", reply

    def _store(self, path: str, uid: int, sign: str, flag: str) -> None:
        self._select(path)
        status, _ = self._client.uid("STORE", str(uid), f"{sign}FLAGS", f"({flag})")
        if status == "OK":
            self.truth.note_stored(path, uid, sign, flag)
        self._look(path)

    def _copy(self, path: str, uid: int, to: str) -> None:
        self._select(path)
        self._client.uid("COPY", str(uid), _quoted(to))
        self._look(to, standing=self._standing_after_transfer(to))

    def _standing_after_transfer(self, to: str) -> Standing:
        """A message that comes with its date into a mailbox never seen may count as old."""
        return Standing.MAY if to in self._young else Standing.MUST

    def _expunge(self, path: str, uid: int) -> None:
        self._store(path, uid, "+", "\\Deleted")
        self._select(path)
        self._client.expunge()
        self._look(path)

    def _create(self, path: str) -> None:
        status, reply = self._client.create(_quoted(path))
        assert status == "OK", reply
        self._young.add(path)
        self.look_everywhere()

    def _delete(self, path: str) -> bool:
        self._step_aside()
        status, _ = self._client.delete(_quoted(path))
        self.look_everywhere()
        return status == "OK"

    def _step_aside(self, to: str = "INBOX") -> None:
        """Leave the mailbox that is open: Dovecot ends a session whose mailbox goes."""
        self._client.select(to, readonly=True)

    def _select(self, path: str) -> None:
        status, reply = self._client.select(_quoted(path))
        assert status == "OK", reply

    def _mailbox(self, other_than: str | None = None) -> str:
        """One to work in; INBOX most often."""
        paths = sorted(path for path in self.truth.mailboxes if _can_be_worked_in(path))
        paths = [path for path in [*paths, *["INBOX"] * 4, "Archive"] if path != other_than]
        return self._dice.choice(paths)

    def _spare(self) -> str | None:
        """One that may go."""
        paths = sorted(path for path in self.truth.mailboxes if path.startswith("Box"))
        return self._dice.choice(paths) if paths else None

    def _some(self) -> tuple[str, int] | None:
        """A message."""
        path = self._mailbox()
        uids = self._uids(path)
        return (path, self._dice.choice(uids)) if uids else None

    def _uids(self, path: str) -> list[int]:
        return sorted(place[2] for place in self.truth.present() if place[0] == path)


_LISTED = re.compile(rb'\((?P<attributes>[^)]*)\) (?:"[^"]*"|NIL) "?(?P<path>[^"]*)"?')
_NOT_THERE = re.compile(rb"(?i)noselect|nonexistent")


def _quoted(path: str) -> str:
    return f'"{path}"'


def _shows_others(path: str) -> bool:
    """Whether a change of another mailbox changes this one."""
    return path.startswith("[All]/") or path in GMAIL_OWN


def _can_be_worked_in(path: str) -> bool:
    return not path.startswith(("[All]/", "[Gmail]/")) or path in GMAIL_OWN


def _read(rows: Iterable[bytes | None]) -> Iterator[tuple[int, frozenset[str]]]:
    """UID and flags of each FETCH response."""
    for row in rows:
        uid = re.search(rb"UID (\d+)", row or b"")
        flags = re.search(rb"FLAGS \(([^)]*)\)", row or b"")
        if uid and flags:
            words = flags.group(1).decode().split()
            yield int(uid.group(1)), frozenset(words) - {"\\Recent"}
