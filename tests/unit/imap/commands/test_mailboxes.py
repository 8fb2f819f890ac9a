from __future__ import annotations

import pytest

from postroom.imap.commands import (
    Check,
    Close,
    Compress,
    Create,
    Delete,
    GetQuota,
    GetQuotaRoot,
    ListMailboxes,
    Namespace,
    Rename,
    Status,
    Subscribe,
    Unselect,
    Unsubscribe,
)
from postroom.imap.commands.list import MOST_MAILBOXES
from postroom.imap.errors import ProtocolViolation
from postroom.imap.types import Created, NamespacePart, Namespaces, Quota
from tests.unit.imap.dialogue import line, play

FULL = "IMAP4rev1 SPECIAL-USE LIST-EXTENDED LIST-STATUS CONDSTORE LITERAL+ SASL-IR"


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


def test_a_listing_without_end_is_a_violation() -> None:
    lines = b"".join(b'* LIST () "/" "m%d"\r\n' % n for n in range(MOST_MAILBOXES + 1))
    with pytest.raises(ProtocolViolation):
        play(ListMailboxes(), lines)


def test_a_listing_is_narrowed_by_the_server_where_it_can() -> None:
    some = ListMailboxes(select=("SUBSCRIBED", "RECURSIVEMATCH"), pattern="%", return_children=True)
    assert line(some, FULL) == b'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%" RETURN (CHILDREN)'
    assert line(some) == b'LSUB "" "%"'
    uses = ListMailboxes(select=("SPECIAL-USE",))
    assert line(uses, FULL) == b'LIST (SPECIAL-USE) "" "*"'
    # Zimbra: LIST-EXTENDED without SPECIAL-USE, which is an unknown option then.
    assert line(uses, "LIST-EXTENDED") == b'LIST "" "*"'
    answer = b'* LIST () "/" a\r\n* LIST (\\Sent) "/" b\r\nP1 OK\r\n'
    for capabilities in ("IMAP4rev1", "LIST-EXTENDED"):
        found, _ = play(uses, answer, capabilities)
        assert [mailbox.path for mailbox in found] == ["b"]
    several = ListMailboxes(patterns=("INBOX", "a%"))
    assert line(several, FULL) == b'LIST "" ("INBOX" "a%")'
    assert line(several) == b'LIST "" "INBOX"'


def test_zoho_with_xlist_and_extended_lists_is_listed_once() -> None:
    asked = ListMailboxes(return_special_use=True, return_status=("MESSAGES",))
    assert line(asked, "XLIST LIST-EXTENDED LIST-STATUS") == (
        b'LIST "" "*" RETURN (STATUS (MESSAGES))'
    )


@pytest.mark.parametrize(
    ("told", "path", "delimiter"),
    [
        (b'() "/" "a"', "a", "/"),
        (b"() NIL a", "a", None),
        (b'() nil "a"', "a", None),
        (b'() "NIL" a', "a", None),
        (b'() "" a', "a", None),
        (b'() "\\\\" a', "a", "\\"),
        (b"() {1}\r\n. {3}\r\na b", "a b", "."),
        (b'() "/" Sent Items', "Sent Items", "/"),
        (b'() "/" INBOX', "INBOX", "/"),
        (b'() "/" "inbox"', "INBOX", "/"),
        (b'() "/" NIL', "NIL", "/"),
        (b'() "/" 2026', "2026", "/"),
        (b'() "/" "&AOQ-&-"', "\u00e4&", "/"),
        (b'() "|" "a|b" (CHILDINFO ("SUBSCRIBED"))', "a|b", "|"),
        (b'() "/" a ("OLDNAME" ("b"))', "a", "/"),
        (b'(\\HasNoChildren "\\Sent") "/" "a"', "a", "/"),
    ],
)
def test_every_way_to_list_a_mailbox_is_read(told: bytes, path: str, delimiter: str | None) -> None:
    for name in (b"LIST", b"list"):
        answer = b"* " + name + b" " + told + b"\r\nP1 OK\r\n"
        (found,), _ = play(ListMailboxes(), answer)
        assert (found.path, found.delimiter) == (path, delimiter)
        for at in range(len(answer)):
            assert play(ListMailboxes(), answer, at=at)[0] == (found,)


@pytest.mark.parametrize(
    "broken", [b'(\\Sent "/" a', b'() "/"', b'x "/" a', b'() "/" "a', b'(() "/" a', b""]
)
def test_a_broken_line_of_a_listing_costs_that_line(broken: bytes) -> None:
    answer = b"* LIST " + broken + b'\r\n* LIST () "/" good\r\nP1 OK\r\n'
    found, _ = play(ListMailboxes(), answer)
    assert [mailbox.path for mailbox in found] == ["good"]


@pytest.mark.parametrize(
    ("told", "messages", "uid_next"),
    [
        (b"a (MESSAGES 5 UIDNEXT 12)", 5, 12),
        (b'"a" (messages 5 uidnext "12")', 5, 12),
        (b"{1}\r\na (MESSAGES 5 UIDNEXT -1)", 5, None),
        (b"a (MESSAGES)", None, None),
        (b"a (UIDNEXT MESSAGES 5)", None, None),
        (b"a ()", None, None),
        (b"a", None, None),
        (b"a (MESSAGES 99999999999999999999999)", None, None),
    ],
)
def test_odd_counters_cost_themselves(
    told: bytes, messages: int | None, uid_next: int | None
) -> None:
    found, _ = play(Status("a"), b"* STATUS " + told + b"\r\nP1 OK\r\n")
    assert (found.path, found.messages, found.uid_next) == ("a", messages, uid_next)


def test_an_unquoted_path_with_spaces_is_one_path() -> None:
    found, _ = play(Status("Sent Items"), b"* STATUS Sent Items (MESSAGES 5)\r\nP1 OK\r\n")
    assert found.messages == 5


def test_status_knows_limits_and_what_waits_to_be_removed() -> None:
    items = ("DELETED", "DELETED-STORAGE", "APPENDLIMIT")
    assert line(Status("a", items)) == b"STATUS a (MESSAGES)"
    assert line(Status("a", items), "QUOTA=RES-MESSAGE QUOTA=RES-STORAGE APPENDLIMIT") == (
        b"STATUS a (DELETED DELETED-STORAGE APPENDLIMIT)"
    )
    answer = b"* STATUS a (DELETED 4 DELETED-STORAGE 8 APPENDLIMIT 100)\r\nP1 OK\r\n"
    found, _ = play(Status("a", items), answer)
    assert (found.deleted, found.deleted_storage, found.append_limit) == (4, 8, 100)
    assert play(Status("a"), b"* STATUS a (APPENDLIMIT NIL)\r\nP1 OK\r\n")[0].append_limit is None


def test_mailboxes_are_made_with_a_use_and_learn_their_id() -> None:
    assert line(Create("Old", "\\Archive"), "CREATE-SPECIAL-USE") == (
        b"CREATE Old (USE (\\Archive))"
    )
    assert line(Create("Old", "\\Archive")) == b"CREATE Old"
    assert play(Create("a"), b"P1 OK [MAILBOXID (F1)] done\r\n")[0] == Created("a", "F1")
    assert play(Create("a"), b"P1 OK done\r\n")[0] == Created("a")
    renamed = b'* LIST () "/" "A" ("OLDNAME" ("a"))\r\nP1 OK done\r\n'
    assert play(Create("a"), renamed)[0] == Created("A")


def test_small_commands_are_written() -> None:
    assert line(Delete("a b")) == b'DELETE "a b"'
    assert line(Rename("a", "b")) == b"RENAME a b"
    assert line(Subscribe("a")) == b"SUBSCRIBE a"
    assert line(Unsubscribe("a")) == b"UNSUBSCRIBE a"
    assert line(Compress()) == b"COMPRESS DEFLATE"
    assert line(Check()) == b"CHECK"
    assert line(Check(), "IMAP4rev2") == b"NOOP"
    assert line(Close()) == b"CLOSE"
    assert line(Unselect(), "UNSELECT") == b"UNSELECT"
    assert line(Unselect(is_read_only=True)) == b"CLOSE"
    assert line(Unselect()) == b"NOOP"


def test_all_three_namespaces_are_told() -> None:
    answer = b'* NAMESPACE (("" "/")("#mh/" "/" "X-PARAM" ("a"))) (("~" "/")) NIL\r\nP1 OK\r\n'
    assert play(Namespace(), answer)[0] == Namespaces(
        (NamespacePart("", "/"), NamespacePart("#mh/", "/")), (NamespacePart("~", "/"),)
    )
    assert play(Namespace(), b"* NAMESPACE NIL nil NIL\r\nP1 OK\r\n")[0] == Namespaces()
    found, _ = play(Namespace(), b'* NAMESPACE (("INBOX." ".")("x" NIL) y)\r\nP1 OK\r\n')
    assert found.personal == (NamespacePart("INBOX.", "."), NamespacePart("x", None))
    assert line(Namespace()) == b"NOOP"
    assert play(Namespace(), b"P1 OK\r\n")[0] == Namespaces((NamespacePart(),))


def test_quotas_are_read_and_broken_ones_left_out() -> None:
    assert line(GetQuota('a"b')) == b'GETQUOTA "a\\"b"'
    assert line(GetQuotaRoot("a b"), "QUOTA") == b'GETQUOTAROOT "a b"'
    assert line(GetQuotaRoot()) == b"NOOP"
    answer = (
        b'* QUOTAROOT INBOX "" x\r\n* QUOTA "" (STORAGE 10 512 message 1 2 BROKEN a)\r\n'
        b"* QUOTA x ()\r\n* QUOTA\r\nP1 OK\r\n"
    )
    quotas = (Quota("", {"STORAGE": (10, 512), "MESSAGE": (1, 2)}), Quota("x"))
    assert play(GetQuotaRoot(), answer)[0] == quotas
    assert play(GetQuota(), answer.split(b"\r\n", 1)[1])[0] == quotas
