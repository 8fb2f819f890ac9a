"""What is read from the transcripts of each server: values, not just the absence of errors."""

from __future__ import annotations

from typing import Any

import pytest

from postroom.imap.client import ImapClient
from postroom.imap.commands import (
    Enable,
    Fetch,
    FindThreads,
    GetQuotaRoot,
    Id,
    ListMailboxes,
    Move,
    Namespace,
    Noop,
    Notify,
    Rename,
    Search,
    Select,
    Sort,
    Status,
)
from postroom.imap.commands.exchange import Command
from postroom.imap.commands.notify import EventGroup
from postroom.imap.errors import ImapRefused
from postroom.imap.framing import Framer
from postroom.imap.types import Bye, NamespacePart, Quota, Thread, Unsolicited, Vanished
from tests.unit.imap.test_corpus import stream

ALL = Fetch("1:*", "(ALL)")


class Transcript:
    """A client that hears the transcript; `run` plays up to the end of a command."""

    def __init__(self, name: str) -> None:
        self.client = ImapClient()
        self.news: list[Unsolicited] = []
        self._framer = Framer()
        self._framer.feed(stream(name))
        self._number = 0
        while self.client.greeting is None:
            self._hear()

    def run(self, number: int, command: Command[Any]) -> Any:
        """The result of command number `number` as `command`; those before it are skipped."""
        while self._number < number - 1:
            self._play(Noop())
        self._play(command)
        return self.client.result()

    def refused(self, number: int) -> tuple[str | None, str, bool]:
        """Code and words of a refusal."""
        with pytest.raises(ImapRefused) as refused:
            self.run(number, Noop())
        return refused.value.response_code, refused.value.server_text, refused.value.is_bad

    def rest(self) -> list[Unsolicited]:
        """What comes after the last command."""
        self.news.clear()
        while self._hear():
            pass
        return self.news

    def _play(self, command: Command[Any]) -> None:
        self._number += 1
        self.client.begin(command)
        while self.client.is_busy:
            assert self._hear(), "the transcript has no such command"

    def _hear(self) -> bool:
        raw = self._framer.next()
        if raw is not None:
            self.news += self.client.receive(raw + b"\r\n")
        return raw is not None


def by_path(listed: Any) -> dict[str, Any]:
    return {mailbox.path: mailbox for mailbox in listed}


STATUS_ITEMS = ("MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ")
EVENTS = ("MessageNew", "MessageExpunge", "FlagChange", "MailboxName")


@pytest.mark.parametrize("name", ["dovecot-extensions", "cyrus-session"])
def test_dovecot_and_cyrus_with_all_they_have(name: str) -> None:
    told = Transcript(name)
    is_cyrus = name == "cyrus-session"
    assert told.run(3, Id())["name"] == ("Cyrus IMAPD" if is_cyrus else "Dovecot")
    assert told.client.offered.has("QRESYNC")
    namespaces = told.run(4, Namespace())
    assert namespaces.personal == (NamespacePart("", "/"),)
    assert (namespaces.shared == ()) != is_cyrus
    assert told.run(5, Enable(("CONDSTORE", "QRESYNC"))) == {"CONDSTORE", "QRESYNC"}
    listed = by_path(told.run(12, ListMailboxes(return_status=STATUS_ITEMS)))
    assert listed["\u00c4rger"].status.messages == 0
    assert (listed["INBOX"].status.uid_next, listed["INBOX"].status.unseen) == (4, 2)
    assert listed["Drafts"].has("\\Drafts")
    assert listed["Archive"].has("\\Subscribed")
    lsub = by_path(told.run(14, ListMailboxes(is_lsub=True)))
    assert "Archive" in lsub
    inbox = told.run(15, Status("INBOX", (*STATUS_ITEMS, "SIZE")))
    assert (inbox.messages, inbox.size) == (3, 1100)
    quotas = told.run(18, GetQuotaRoot())
    expected = Quota("INBOX") if is_cyrus else Quota("User quota", {"STORAGE": (2, 1024)})
    assert quotas == (expected,)
    selected = told.run(22, Select("INBOX"))
    assert (selected.exists, selected.uid_next, "$x" in selected.flags) == (3, 4, True)
    first, second, third = told.run(23, ALL)
    assert [message.uid for message in (first, second, third)] == [1, 2, 3]
    assert first.flags == ("\\Seen",)
    assert (first.size, third.size) == (247, 552)
    assert second.envelope.in_reply_to == "<1@example.com>"
    assert second.sections["HEADER.FIELDS (MESSAGE-ID REFERENCES)"].count(b"\r\n") == 3
    assert [(part.part, part.subtype) for part in third.body.children] == [
        ("1", "plain"),
        ("2", "pdf"),
    ]
    assert third.body.children[1].disposition_parameters == {"filename": "a b.pdf"}
    previews = told.run(24, ALL)
    wanted = [None] * 3 if is_cyrus else ["Hello one.", "Answer.", "Gr\u00fc\u00dfe"]
    assert [message.preview for message in previews] == wanted
    assert all(message.save_date_ms for message in previews)
    (binary,) = told.run(26, ALL)
    assert binary.sections["BINARY 2"] == b"\0\1\2pdf"
    (encoded,) = told.run(27, ALL)
    assert encoded.sections["2"] == b"AAECcGRm\r\n"
    assert told.run(28, Search()) == (1, 2, 3)
    assert told.run(32, Search()) == ()
    assert told.run(33, Search()) == (1, 2, 3)
    assert told.run(34, Sort(("REVERSE DATE",))) == (3, 2, 1)
    assert told.run(35, FindThreads()) == (Thread(1, (Thread(2),)), Thread(3))
    told.run(43, Select("Archive"))
    again = told.run(44, Select("INBOX", qresync=(1, 1)))
    assert list(again.vanished) == [1, 2]
    assert [(message.uid, message.flags) for message in again.changed] == [(3, ("$x",))]
    assert told.refused(46)[2] is False
    assert told.refused(49)[2] is True
    told.run(50, Noop())
    assert isinstance(told.news[-1], Bye)


def test_what_only_dovecot_has() -> None:
    told = Transcript("dovecot-extensions")
    group = EventGroup("personal", EVENTS)
    counted = told.run(20, Notify((group,), status=True))
    assert {status.path for status in counted} == {
        *("Junk", "Trash", "Sent", "Drafts", "INBOX", "\u00c4rger", "Archive")
    }
    assert [message.uid for message in told.run(30, Fetch("$", "(UID FLAGS)"))] == [2, 3]


def test_what_only_cyrus_has() -> None:
    told = Transcript("cyrus-session")
    assert told.run(16, Status("INBOX", ("MAILBOXID",))).mailbox_id == "gh19bqy4zj7hm4v3a4ntzik4"
    ids = [(message.email_id, message.thread_id) for message in told.run(25, ALL)]
    assert ids[0] == ("M00aaa18b512c5f355415e1af", None)
    told.run(39, Noop())
    assert [list(value.uids) for value in told.news if isinstance(value, Vanished)] == [[1]]


def test_gmail() -> None:
    told = Transcript("gmail-session")
    assert not told.client.capabilities
    told.run(2, Noop())
    assert "APPENDLIMIT=35651584" in told.client.capabilities
    assert told.run(3, Id())["name"] == "GImap"
    listed = by_path(told.run(5, ListMailboxes(return_status=STATUS_ITEMS)))
    assert listed["[Gmail]"].has("\\NoSelect")
    assert listed["[Gmail]/Alle Nachrichten"].has("\\All")
    assert listed["[Gmail]/Alle Nachrichten"].status.highest_modseq == 90
    assert listed["[Gmail]/Entw\u00fcrfe"].status.messages == 0
    assert told.run(6, GetQuotaRoot()) == (Quota("", {"STORAGE": (8341520, 15728640)}),)
    selected = told.run(7, Select("x"))
    assert (selected.exists, selected.highest_modseq) == (120, 90)
    assert told.run(8, Search()) == (7, 8, 9, 4391)
    (message,) = told.run(9, ALL)
    assert message.labels == ("\\Inbox", "\\Important", "Entw\u00fcrfe/2026", "Work")
    assert (message.email_id, message.thread_id) == ("1278455344230334865", "1266894439832287888")
    assert (message.uid, message.modseq, message.size) == (4391, 88, 4211)
    assert message.envelope.to[0].mailbox == b"person"
    assert [part.subtype for part in message.body.children] == ["plain", "html"]
    assert told.refused(11)[0] == "OVERQUOTA"
    assert told.refused(12)[0] == "CANNOT"
    assert told.refused(13) == (None, "Could not parse command", True)
    assert told.rest() == [Bye("System Error")]


def test_yahoo() -> None:
    told = Transcript("yahoo-session")
    assert told.client.offered.has("OBJECTID")
    assert told.refused(1)[0] == "AUTHENTICATIONFAILED"
    listed = by_path(told.run(4, ListMailboxes()))
    assert listed["INBOX"].delimiter == "/"
    assert listed["Bulk"].has("\\Junk")
    selected = told.run(5, Select("INBOX", read_only=True))
    assert (selected.exists, selected.uid_validity, selected.mailbox_id) == (23992, 1, "1")
    assert selected.highest_modseq is None
    assert selected.permanent_flags == ()
    (message,) = told.run(6, ALL)
    assert (message.email_id, message.thread_id) == ("APh2abc", "42")
    assert told.refused(7) == ("CLIENTBUG", "UID SEARCH Command arguments invalid", True)
    assert told.refused(8)[0] == "UNAVAILABLE"


def test_office365() -> None:
    told = Transcript("office365-session")
    assert told.client.capabilities == frozenset()
    assert told.refused(2) == (None, "AUTHENTICATE failed.", False)
    told.run(4, Noop())
    assert told.client.offered.has("MOVE")
    listed = by_path(told.run(6, ListMailboxes()))
    assert listed["Deleted Items"].has("\\Trash")
    assert told.refused(7) == (None, "Command Argument Error. 12", True)
    selected = told.run(8, Select("INBOX"))
    assert (selected.exists, selected.uid_validity, selected.uid_next) == (6995, 14, 22588)
    (message,) = told.run(9, ALL)
    assert (message.uid, message.flags, message.envelope.sender) == (22587, (), ())
    assert [part.type for part in message.body.children] == ["text", "text"]
    assert told.run(10, Search()) == (22587,)
    assert told.refused(11)[1] == "Server Unavailable. 15"
    assert told.rest() == [Bye("Session invalidated - AccessTokenExpired")]


def test_exchange_2016() -> None:
    told = Transcript("exchange-2016")
    told.run(2, Select("INBOX"))
    signed, alternative, nested, bare = told.run(3, ALL)
    assert signed.body.children[1].disposition_parameters == {"filename": "private.txt"}
    assert [part.size for part in alternative.body.children] == [850, 14692]
    assert (nested.uid, nested.envelope.subject) == (70, b"nested")
    assert nested.envelope.to[0].mailbox == b"person"
    assert (bare.uid, bare.flags, bare.envelope, bare.body) == (71, (), None, None)
    (broken,) = told.run(4, ALL)
    assert (broken.uid, broken.flags, broken.envelope) == (68, ("\\Seen",), None)
    assert told.refused(5)[0] is None


def test_netease_opens_no_mailbox_before_id() -> None:
    told = Transcript("netease-163")
    assert told.client.greeting.code is None
    assert told.refused(2) == (None, "LOGIN Login error or password error", False)
    told.run(3, Noop())
    assert told.client.offered.has("ID")
    listed = by_path(told.run(4, ListMailboxes()))
    assert listed["\u8349\u7a3f\u7bb1"].has("\\Drafts")
    assert told.refused(5)[1].startswith("SELECT Unsafe Login")
    assert told.run(6, Id())["vendor"] == "Mailtech"
    selected = told.run(7, Select("INBOX"))
    assert (selected.exists, selected.uid_next) == (2, None)
    assert [message.uid for message in told.run(8, ALL)] == [1320000001, 1320000002]


def test_qq() -> None:
    told = Transcript("qq-mail")
    told.run(1, Noop())
    assert told.client.offered.has("MULTIAPPEND")
    told.run(2, Noop())
    assert not told.client.offered.has("MULTIAPPEND")
    asked = ListMailboxes(return_special_use=True)
    assert asked.start(told.client.offered).segments == (b'XLIST "" "*"\r\n',)
    listed = by_path(told.run(3, asked))
    assert listed["\u5176\u4ed6\u6587\u4ef6\u5939"].has("\\Noselect")
    assert listed["Deleted Messages"].has("\\Trash")
    assert told.run(4, Select("INBOX")).uid_next == 5790
    (message,) = told.run(5, ALL)
    assert message.envelope.subject == b"=?GBK?B?xOO6ww==?="
    assert [part.encoding for part in message.body.children] == ["base64", "base64"]
    assert message.sections["HEADER.FIELDS (REFERENCES SUBJECT)"].startswith(b"Subject: ")
    assert told.refused(7)[1] == "UID parameters!"


def test_zoho() -> None:
    told = Transcript("zoho-mail")
    told.run(2, Noop())
    assert told.client.offered.has("WITHIN")
    listed = by_path(told.run(3, ListMailboxes(return_status=("MESSAGES", "UIDNEXT"))))
    assert listed["Drafts"].has("\\Drafts")
    assert listed["INBOX"].status.uid_next == 9
    assert by_path(told.run(4, ListMailboxes()))["Spam"].has("\\Spam")
    selected = told.run(5, Select("INBOX"))
    assert selected.highest_modseq == 1595400000000
    assert told.run(6, Search()) == (7, 8)
    assert [message.flags for message in told.run(7, ALL)] == [("\\Seen",), ()]


def test_icloud() -> None:
    told = Transcript("icloud-mail")
    assert told.client.offered.has("SASL-IR")
    told.run(2, Noop())
    assert told.client.offered.has("QRESYNC")
    assert told.run(3, Enable(("CONDSTORE", "QRESYNC"))) == frozenset()
    listed = by_path(told.run(5, ListMailboxes()))
    assert listed["INBOX"].has("\\NoInferiors")
    assert told.refused(6)[0] == "NONEXISTENT"
    selected = told.run(7, Select("INBOX"))
    assert (selected.uid_validity, selected.highest_modseq) == (1316352875, 55)
    (message,) = told.run(8, Fetch("11", "(UID RFC822.SIZE FLAGS RFC822)"))
    assert (message.size, message.sections) == (5277, {})
    told.run(9, Noop())
    assert [list(value.uids) for value in told.news if isinstance(value, Vanished)] == [[9, 10]]


def test_mail_ru() -> None:
    told = Transcript("mail-ru")
    told.run(2, Noop())
    listed = by_path(told.run(3, ListMailboxes(return_special_use=True)))
    assert listed["\u0421\u043f\u0430\u043c"].has("\\Spam")
    selected = told.run(4, Select("INBOX"))
    assert (selected.exists, selected.uid_validity) == (1992, 1413877498)
    (message,) = told.run(5, ALL)
    assert message.envelope.sender == ()
    texts, pdf = message.body.children
    assert [(part.part, part.size) for part in texts.children] == [("1.1", 1721), ("1.2", 31289)]
    assert texts.parameters == {}
    assert pdf.disposition == "attachment"


def test_yandex() -> None:
    told = Transcript("yandex-mail")
    assert told.refused(2)[0] == "AUTHENTICATIONFAILED"
    listed = by_path(told.run(4, ListMailboxes()))
    assert {mailbox.delimiter for mailbox in listed.values()} == {"|"}
    sent = "\u041e\u0442\u043f\u0440\u0430\u0432\u043b\u0435\u043d\u043d\u044b\u0435"
    assert listed[sent].has("\\Sent")
    assert listed["Archives"].has("\\HasChildren")
    assert told.run(5, Select("INBOX")).uid_next == 6
    (message,) = told.run(6, ALL)
    assert [part.size for part in message.body.children] == [40, 0]
    assert told.refused(7)[0] == "UNAVAILABLE"


def test_hmailserver() -> None:
    told = Transcript("hmailserver")
    namespaces = told.run(3, Namespace())
    assert namespaces.shared == (NamespacePart("#Public", "."),)
    assert by_path(told.run(4, ListMailboxes()))["#Public.News"].delimiter == "."
    assert told.run(5, GetQuotaRoot()) == (Quota("", {"STORAGE": (512, 0)}),)
    assert told.run(6, Select("INBOX")).uid_validity == 1463070126
    assert told.run(7, Search()) == (3, 4)
    (message,) = told.run(8, ALL)
    text, inner = message.body.children
    assert (text.encoding, inner.envelope.subject) == ("quoted-printable", b"inner")
    assert [part.part for part in inner.children[0].children] == ["2.1", "2.2"]
    assert message.internal_date_ms == 1_738_876_310_000


def test_numbers_of_nothing_and_answers_under_a_false_name() -> None:
    told = Transcript("smartermail-zero")
    assert told.run(2, Namespace()).personal == (NamespacePart(),)
    assert told.client.offered.has("IDLE")
    selected = told.run(3, Select("INBOX"))
    assert (selected.exists, selected.uid_validity, selected.uid_next) == (0, 0, 1)


def test_rev2() -> None:
    told = Transcript("rev2-session")
    assert told.run(2, Enable(("IMAP4rev2",))) == {"IMAP4REV2"}
    assert told.client.is_utf8
    items = ("MESSAGES", "UNSEEN", "SIZE", "DELETED")
    listed = by_path(told.run(3, ListMailboxes(return_status=items)))
    assert (listed["INBOX"].status.size, listed["INBOX"].status.deleted) == (71191, 2)
    assert listed["Entw\u00fcrfe/&-x"].has("\\NonExistent")
    sent = listed["\u9001\u4fe1\u6e08\u307f"]
    assert (sent.delimiter, sent.status.messages) == (None, 2)
    selected = told.run(4, Select("INBOX"))
    assert (selected.exists, selected.uid_validity, selected.uid_next) == (172, 3857529045, 4392)
    assert told.run(5, Search()) == (2, 10, 11)
    assert told.run(6, Search()) == ()
    (message,) = told.run(7, ALL)
    assert message.envelope.subject == "Gr\u00fc\u00dfe".encode()
    assert message.envelope.from_[0].host == "ex\u00e4mple.com".encode()
    assert message.sections["BINARY 1"] == b"abc\r\n"
    moved = told.run(8, Move("42:43", "x"))
    assert (moved.uid_validity, moved.destination) == (432432, (1202, 1203))
    assert [type(value) for value in told.news] == [Vanished]
    told.run(9, Rename("Alt", "Neu"))
    opened = told.run(10, Select("Neu", read_only=True))
    assert (opened.exists, opened.is_read_only, opened.uid_validity) == (0, True, 3857529046)
    assert told.rest() == [Bye("Going down")]
