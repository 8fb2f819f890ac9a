from __future__ import annotations

import pytest

from postroom.imap.commands import Fetch, Select, select
from postroom.imap.errors import ProtocolViolation
from tests.unit.imap.dialogue import line, play

SELECTED = (
    b"* OK [CLOSED] Previous mailbox is now closed\r\n* 314 EXISTS\r\n* 1 RECENT\r\n"
    b"* OK [UIDVALIDITY 67890007] ok\r\n* OK [UIDNEXT 567] ok\r\n"
    b"* OK [HIGHESTMODSEQ 90060115205545359] ok\r\n* OK [MAILBOXID (F1)] ok\r\n"
    b"* FLAGS (\\Seen $x)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] ok\r\n* OK [UNSEEN 12] ok\r\n"
    b"* VANISHED (EARLIER) 41,43:45\r\n"
    b"* 49 FETCH (UID 117 FLAGS (\\Seen) MODSEQ (90060115194045001))\r\n"
    b"P1 OK [READ-ONLY] done\r\n"
)


def test_select_gathers_all_that_is_told_wherever_it_is_split() -> None:
    command = Select("INBOX", qresync=(67890007, 90060115194045000))
    whole, news = play(command, SELECTED, "CONDSTORE")
    assert news == []
    assert (whole.exists, whole.uid_validity, whole.uid_next) == (314, 67890007, 567)
    assert whole.highest_modseq == 90060115205545359
    assert whole.permanent_flags == ("\\Seen", "\\*")
    assert whole.is_read_only
    assert whole.mailbox_id == "F1"
    assert list(whole.vanished) == [41, 43, 44, 45]
    assert [message.uid for message in whole.changed] == [117]
    for at in range(len(SELECTED)):
        assert play(command, SELECTED, "CONDSTORE", at=at)[0] == whole
    assert line(command) == b"SELECT INBOX (QRESYNC (67890007 90060115194045000))"
    assert line(Select("a", read_only=True, condstore=True)) == b"EXAMINE a (CONDSTORE)"


def test_select_without_numbers_knows_none() -> None:
    found, _ = play(Select("a"), b"* 0 EXISTS\r\n* OK [NOMODSEQ] no\r\n* FLAGS (a)\r\nP1 OK\r\n")
    assert (found.uid_validity, found.uid_next, found.highest_modseq) == (None, None, None)
    assert found.no_modseq
    assert found.permanent_flags == ("a",)


def test_what_came_before_closed_was_about_the_old_mailbox() -> None:
    found, _ = play(Select("a"), b"* 9 EXISTS\r\n* OK [CLOSED] x\r\n* 1 EXISTS\r\nP1 OK\r\n")
    assert found.exists == 1


def test_numbers_that_cannot_be_are_not_told() -> None:
    for lines in (b"", b"* 99999999999999999999999 EXISTS\r\n"):
        opened, _ = play(Select("INBOX"), lines + b"* 1 RECENT\r\nP1 OK done\r\n")
        assert not opened.is_counted
    for uid in (b"0", b"4294967296", b"99999999999"):
        answer = b"* 1 FETCH (FLAGS () UID " + uid + b")\r\nP1 OK done\r\n"
        found, _ = play(Fetch("1", "(UID FLAGS)", by_uid=False), answer)
        assert found[0].uid is None


def test_a_modseq_of_a_server_without_condstore_is_not_believed() -> None:
    answer = b"* 2 EXISTS\r\n* OK [HIGHESTMODSEQ 102784]\r\nP1 OK done\r\n"
    assert play(Select("a"), answer, "XYMHIGHESTMODSEQ")[0].highest_modseq is None
    assert play(Select("a"), answer, "CONDSTORE")[0].highest_modseq == 102784


def test_rev2_tells_the_name_and_neither_recent_nor_unseen() -> None:
    answer = (
        b"* 172 EXISTS\r\n* OK [UIDVALIDITY 3857529045] ok\r\n* OK [UIDNEXT 4392] ok\r\n"
        b"* FLAGS (\\Seen)\r\n* OK [PERMANENTFLAGS (\\Seen \\*)] ok\r\n"
        b'* LIST () "/" INBOX ("OLDNAME" ("inbox"))\r\nP1 OK [READ-WRITE] done\r\n'
    )
    found, news = play(Select("INBOX"), answer, "IMAP4rev2")
    assert (found.exists, found.uid_next) == (172, 4392)
    assert news == []


def test_vanished_in_several_lines_is_one_set() -> None:
    answer = b"* 1 EXISTS\r\n* VANISHED (EARLIER) 1:3\r\n* VANISHED (EARLIER) 9,x,7\r\nP1 OK\r\n"
    found, _ = play(Select("a", qresync=(1, 2)), answer, "QRESYNC")
    assert list(found.vanished) == [1, 2, 3, 7, 9]


def test_broken_codes_cost_themselves() -> None:
    answer = (
        b"* 3 EXISTS\r\n* OK [UIDVALIDITY] x\r\n* OK [UIDNEXT -5] x\r\n* OK [UIDNEXT (4)] x\r\n"
        b"* OK [HIGHESTMODSEQ x] y\r\n* OK [PERMANENTFLAGS \\Seen] y\r\n* OK [ x\r\n* OK []\r\n"
        b"* OK\r\n* OK [(] x\r\n* OK still here\r\n* NO [OVERQUOTA] full\r\n"
        b"* BAD what\r\nP1 OK [READ-WRITE done\r\n"
    )
    for at in range(len(answer)):
        found, news = play(Select("a"), answer, "CONDSTORE", at=at)
        assert found.exists == 3
        assert (found.uid_validity, found.uid_next, found.highest_modseq) == (None, None, None)
        assert news == []


def test_a_mailbox_that_tells_changes_without_end_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(select, "MOST_CHANGED", 3)
    told = b"".join(b"* %d FETCH (UID %d FLAGS ())\r\n" % (n, n) for n in range(1, 5))
    command = Select("INBOX", qresync=(1, 2))
    with pytest.raises(ProtocolViolation):
        play(command, told + b"P1 OK\r\n", "QRESYNC")
    play(command, told[: told.index(b"* 4")] + b"P1 OK\r\n", "QRESYNC")
