from __future__ import annotations

import base64

import pytest

from postroom.errors import InvalidInput
from postroom.imap.commands import (
    Append,
    Authenticate,
    Copy,
    Create,
    Enable,
    Expunge,
    Fetch,
    GetQuotaRoot,
    Id,
    ListMailboxes,
    Login,
    Move,
    Rename,
    Search,
    Select,
    Status,
    Store,
    move,
)
from postroom.imap.commands.list import MOST_MAILBOXES
from postroom.imap.commands.search import Key
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.types import Copied, Expunged, Quota
from postroom.model.secret import Secret
from tests.unit.imap.dialogue import greeted, line, play, sent

FULL = "IMAP4rev1 SPECIAL-USE LIST-EXTENDED LIST-STATUS CONDSTORE LITERAL+ SASL-IR"


def test_strings_are_bare_quoted_or_literal_as_needed() -> None:
    assert line(Create("Work")) == b"CREATE Work"
    assert line(Create('a "b"\\c')) == b'CREATE "a \\"b\\"\\\\c"'
    assert line(Create("Entw\u00fcrfe")) == b'CREATE "Entw&APw-rfe"'
    assert line(Create("NIL")) == b'CREATE "NIL"'
    assert line(Create("")) == b'CREATE ""'
    assert line(Rename("a", "b c")) == b'RENAME a "b c"'
    assert sent(Login("bob", Secret("p\r\nq")))[0].endswith(b'LOGIN "bob" {4}\r\n')


def test_literals_do_not_wait_where_the_server_allows_it() -> None:
    raw = b"x" * 5000
    assert len(sent(Append("INBOX", raw))) == 2
    assert len(sent(Append("INBOX", raw), "IMAP4rev1 LITERAL-")) == 2
    assert len(sent(Append("INBOX", raw[:4096]), "IMAP4rev1 LITERAL-")) == 1
    assert sent(Append("INBOX", b"ab"), "IMAP4rev1 LITERAL+") == [b"P1 APPEND INBOX {2+}\r\nab\r\n"]


def test_append_gives_flags_and_date() -> None:
    first, _ = sent(Append("INBOX", b"x", ("\\Seen", "$a"), 1_700_000_000_000))
    assert first == b'P1 APPEND INBOX (\\Seen $a) "14-Nov-2023 22:13:20 +0000" {1}\r\n'


@pytest.mark.parametrize("flag", ["a b", "a\r\nb", "", "(", "\u00e9", '"', "a]", "\\", "*"])
def test_a_flag_cannot_smuggle_in_a_command(flag: str) -> None:
    with pytest.raises(InvalidInput):
        sent(Store("1", (flag,), "add"))


@pytest.mark.parametrize("numbers", ["", "1 2", "1\r\nP2 LOGOUT", "a"])
def test_a_set_cannot_smuggle_in_a_command(numbers: str) -> None:
    with pytest.raises(InvalidInput):
        sent(Expunge(numbers))


def test_protocol_text_cannot_hold_line_ends() -> None:
    with pytest.raises(InvalidInput):
        sent(Fetch("1", "(FLAGS)\r\nP2 LOGOUT"))


def test_search_announces_its_charset_only_when_needed() -> None:
    assert line(Search(("SUBJECT", "a b", "UID", Key("7:*"), "LARGER", 5))) == (
        b'UID SEARCH SUBJECT "a b" UID 7:* LARGER 5'
    )
    assert line(Search(("OR", ("SEEN", "FROM", "x@y"), "UNSEEN"), by_uid=False)) == (
        b'SEARCH OR (SEEN FROM "x@y") UNSEEN'
    )
    assert line(Search()) == b"UID SEARCH ALL"
    first, second = sent(Search(("TEXT", "caf\u00e9")))
    assert first == b"P1 UID SEARCH CHARSET UTF-8 TEXT {5}\r\n"
    assert second == b"caf\xc3\xa9\r\n"


def test_search_numbers_come_sorted_from_either_answer() -> None:
    assert play(Search(("ALL",)), b"* SEARCH 9 2 4 (MODSEQ 12)\r\nP1 OK\r\n")[0] == (2, 4, 9)
    answer = b'* ESEARCH (TAG "P1") UID ALL 2,4:5 COUNT 3\r\nP1 OK\r\n'
    assert play(Search(("ALL",)), answer)[0] == (2, 4, 5)
    with pytest.raises(ProtocolViolation):
        play(Search(("ALL",)), b"* ESEARCH UID ALL 1:4294967295\r\nP1 OK\r\n")


def test_list_asks_for_what_the_server_has() -> None:
    asked = ListMailboxes(
        return_special_use=True, return_subscribed=True, return_status=("MESSAGES",)
    )
    assert line(asked, FULL) == (b'LIST "" "*" RETURN (SPECIAL-USE SUBSCRIBED STATUS (MESSAGES))')
    assert line(asked) == b'LIST "" "*"'
    assert line(asked, "IMAP4rev1 XLIST") == b'XLIST "" "*"'
    assert line(ListMailboxes(is_lsub=True), FULL) == b'LSUB "" "*"'


def test_list_joins_lines_of_the_same_mailbox() -> None:
    answer = (
        b'* LIST (\\Sent) "/" Sent\r\n* STATUS Sent (MESSAGES 3)\r\n'
        b'* LIST (\\Subscribed) "/" Sent\r\n* LIST () NIL {3}\r\na"b\r\n* LIST (x) "/"\r\n'
        b"P1 OK\r\n"
    )
    found, _ = play(ListMailboxes(return_status=("MESSAGES",)), answer)
    assert [mailbox.path for mailbox in found] == ["Sent", 'a"b']
    assert found[0].has("\\sent")
    assert found[0].has("\\Subscribed")
    assert found[0].status.messages == 3
    assert found[1].delimiter is None


def test_status_leaves_out_what_the_server_does_not_know() -> None:
    items = ("MESSAGES", "HIGHESTMODSEQ", "MAILBOXID", "SIZE")
    assert line(Status("a", items)) == b"STATUS a (MESSAGES)"
    assert line(Status("a", items), "CONDSTORE OBJECTID STATUS=SIZE") == (
        b"STATUS a (MESSAGES HIGHESTMODSEQ MAILBOXID SIZE)"
    )
    answer = b"* STATUS a (MESSAGES 231 UIDNEXT x MAILBOXID (F2212ea87-6097) DELETED)\r\nP1 OK\r\n"
    found, _ = play(Status("a"), answer)
    assert (found.messages, found.uid_next, found.mailbox_id) == (231, None, "F2212ea87-6097")
    assert play(Status("a"), b"P1 OK\r\n")[0].messages is None


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
    whole, news = play(command, SELECTED)
    assert news == []
    assert (whole.exists, whole.uid_validity, whole.uid_next) == (314, 67890007, 567)
    assert whole.highest_modseq == 90060115205545359
    assert whole.permanent_flags == ("\\Seen", "\\*")
    assert whole.is_read_only
    assert whole.mailbox_id == "F1"
    assert list(whole.vanished) == [41, 43, 44, 45]
    assert [message.uid for message in whole.changed] == [117]
    for at in range(len(SELECTED)):
        assert play(command, SELECTED, at=at)[0] == whole
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


def test_fetch_and_store_are_written_as_asked() -> None:
    assert line(Fetch("1:*", "(UID FLAGS)", changed_since=7, vanished=True)) == (
        b"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 7 VANISHED)"
    )
    assert line(Store("1:2", ("\\Seen",), "delete", silent=True)) == (
        b"UID STORE 1:2 -FLAGS.SILENT (\\Seen)"
    )
    assert line(Store("1", (), "set", by_uid=False)) == b"STORE 1 FLAGS ()"
    assert line(Store("1", ("\\Inbox", "a b"), "add", item="X-GM-LABELS")) == (
        b'UID STORE 1 +X-GM-LABELS (\\Inbox "a b")'
    )


def test_copies_are_paired_in_the_order_told() -> None:
    found, _ = play(Copy("1:3", "b"), b"P1 OK [COPYUID 38505 304,319:320 3956:3958] done\r\n")
    assert found == Copied(38505, (304, 319, 320), (3956, 3957, 3958))
    assert play(Copy("1", "b"), b"P1 OK [COPYUID 1 1:2 5] x\r\n")[0] == Copied()
    assert play(Copy("1", "b"), b"P1 OK done\r\n")[0] == Copied()
    answer = b"* OK [COPYUID 432 42:43 1202:1203] x\r\n* 22 EXPUNGE\r\n* 22 EXPUNGE\r\nP1 OK\r\n"
    found, news = play(Move("42:43", "b"), answer)
    assert found.destination == (1202, 1203)
    assert news == [Expunged(22), Expunged(22)]


@pytest.mark.parametrize(
    ("capabilities", "marked", "names"),
    [
        ("MOVE", (), ["UID MOVE"]),
        ("UIDPLUS", (), ["UID COPY", "UID STORE", "UID EXPUNGE"]),
        ("", (1, 2), ["UID COPY", "UID STORE", "UID SEARCH", "EXPUNGE"]),
        ("", (1, 9), ["UID COPY", "UID STORE", "UID SEARCH"]),
    ],
)
async def test_move_uses_what_there_is_and_expunges_nobody_elses_messages(
    capabilities: str, marked: tuple[int, ...], names: list[str]
) -> None:
    offered = Offered(frozenset(capabilities.split()))
    ran: list[str] = []

    async def run(command: object) -> object:
        written = command.start(offered).segments[0].decode()  # type: ignore[attr-defined]
        ran.append(next(name for name in (*names, "?") if written.startswith(name)))
        return marked if isinstance(command, Search) else Copied()

    await move(run, offered, "1:2", "Trash")
    assert ran == names


def test_plain_goes_along_with_the_command_or_waits() -> None:
    coded = base64.b64encode(b"\0bob\0p")
    command = Authenticate("PLAIN", "bob", Secret("p"))
    assert sent(command, FULL, 0) == [b"P1 AUTHENTICATE PLAIN " + coded + b"\r\n"]
    assert sent(command) == [b"P1 AUTHENTICATE PLAIN\r\n", coded + b"\r\n"]


def test_login_mechanism_answers_twice() -> None:
    command = Authenticate("LOGIN", "bob", Secret("p"))
    assert sent(command, FULL, 2) == [b"P1 AUTHENTICATE LOGIN\r\n", b"Ym9i\r\n", b"cA==\r\n"]


def test_tokens_are_sent_and_an_error_challenge_is_answered() -> None:
    client = greeted(FULL)
    client.begin(Authenticate("XOAUTH2", "bob@x", Secret("tok")))
    first = client.outgoing().split()[3]
    assert base64.b64decode(first) == b"user=bob@x\x01auth=Bearer tok\x01\x01"
    client.receive(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
    assert client.outgoing() == b"\r\n"
    bearer = sent(Authenticate("OAUTHBEARER", "a,b=c", Secret("tok")), FULL)
    assert base64.b64decode(bearer[0].split()[3]).startswith(b"n,a=a=2Cb=3Dc,\x01auth=Bearer tok")
    assert bearer[1] == b"AQ==\r\n"
    with pytest.raises(ProtocolViolation):
        client.receive(b"+ again\r\n")


def test_small_answers() -> None:
    assert play(Enable(("CONDSTORE",)), b"* ENABLED CONDSTORE X\r\nP1 OK\r\n")[0] == {
        "CONDSTORE",
        "X",
    }
    assert line(Id({"name": "x", "os": "y z"})) == b'ID ("name" "x" "os" "y z")'
    assert line(Id()) == b"ID NIL"
    found, _ = play(Id(), b'* ID ("name" "Cyrus" "version" NIL)\r\nP1 OK\r\n')
    assert found == {"name": "Cyrus"}
    answer = b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 10 512 MESSAGE 1 2)\r\nP1 OK\r\n'
    assert line(GetQuotaRoot("a b"), "QUOTA") == b'GETQUOTAROOT "a b"'
    assert line(GetQuotaRoot()) == b"NOOP"
    assert play(GetQuotaRoot(), answer)[0] == (
        Quota("", {"STORAGE": (10, 512), "MESSAGE": (1, 2)}),
    )


@pytest.mark.parametrize("code", [b"[COPYUID 7 x 2]", b"[COPYUID 7 1 1:99999999999]"])
def test_a_copy_with_malformed_uids_is_a_copy_all_the_same(code: bytes) -> None:
    result, _ = play(Copy("1", "Archive"), b"P1 OK " + code + b" done\r\n")
    assert result == Copied()


def test_numbers_that_cannot_be_are_not_told() -> None:
    appended, _ = play(Append("INBOX", b"x"), b"P1 OK [APPENDUID 0 99999999999] done\r\n")
    assert (appended.uid_validity, appended.uid) == (None, None)
    for lines in (b"", b"* 99999999999999999999999 EXISTS\r\n"):
        opened, _ = play(Select("INBOX"), lines + b"* 1 RECENT\r\nP1 OK done\r\n")
        assert not opened.is_counted
    for uid in (b"0", b"4294967296", b"99999999999"):
        answer = b"* 1 FETCH (FLAGS () UID " + uid + b")\r\nP1 OK done\r\n"
        found, _ = play(Fetch("1", "(UID FLAGS)", by_uid=False), answer)
        assert found[0].uid is None


def test_a_listing_without_end_is_a_violation() -> None:
    lines = b"".join(b'* LIST () "/" "m%d"\r\n' % n for n in range(MOST_MAILBOXES + 1))
    with pytest.raises(ProtocolViolation):
        play(ListMailboxes(), lines)


def test_a_login_under_way_does_not_show_its_password() -> None:
    for command in (
        Login("bob", Secret("canary-pass")),
        Authenticate("PLAIN", "bob", Secret("canary-pass")),
    ):
        exchange = command.start(Offered(frozenset({"SASL-IR"})))
        shown = repr(exchange) + repr(command)
        assert "canary" not in shown
        assert "Y2FuYXJ5" not in shown
        assert "segments" not in shown
    assert "canary" not in repr(Line().raw("LOGIN").quoted("canary-pass"))
