"""NOTIFY: news of mailboxes that are not selected, in the words of RFC 5465."""

from __future__ import annotations

import pytest

from postroom.errors import InvalidInput
from postroom.imap.commands import Enable, EventGroup, ListMailboxes, Noop, Notify, Status
from postroom.imap.types import Exists, Listed, ListedMailbox, MailboxStatus, Overflowed, Told
from tests.unit.imap.dialogue import greeted, line, play

MESSAGES = ("MessageNew", "MessageExpunge", "FlagChange")


def test_groups_are_written_as_the_grammar_has_them() -> None:
    selected = EventGroup("selected", MESSAGES, items="(UID FLAGS)")
    personal = EventGroup("personal", (*MESSAGES, "MailboxName"))
    assert line(Notify((selected, personal), status=True)) == (
        b"NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) "
        b"(personal (MessageNew MessageExpunge FlagChange MailboxName))"
    )
    some = EventGroup("mailboxes", ("MessageNew", "MessageExpunge"), ("INBOX", "a b"))
    assert line(Notify((some, EventGroup("subtree", (), ("Lists",))))) == (
        b'NOTIFY SET (mailboxes (INBOX "a b") (MessageNew MessageExpunge)) (subtree (Lists) NONE)'
    )
    assert line(Notify()) == b"NOTIFY NONE"
    with pytest.raises(InvalidInput):
        line(Notify((EventGroup("mailboxes", MESSAGES),)))
    with pytest.raises(InvalidInput):
        line(Notify((EventGroup("personal", MESSAGES, ("a",)),)))


def test_the_first_counters_are_the_result_and_only_if_asked_for() -> None:
    answer = b"* STATUS a (MESSAGES 3)\r\n* STATUS b (UIDNEXT 4)\r\nP1 OK done\r\n"
    groups = (EventGroup("personal", MESSAGES),)
    told, news = play(Notify(groups, status=True), answer)
    assert [status.path for status in told] == ["a", "b"]
    assert news == []
    told, news = play(Notify(groups), answer)
    assert told == ()
    assert len(news) == 2


def test_news_of_other_mailboxes_come_at_any_time() -> None:
    answer = (
        b"* STATUS Lists (MESSAGES 5 UIDNEXT 9)\r\n* 4 EXISTS\r\n"
        b'* LIST () "/" New ("OLDNAME" ("Old"))\r\n* LIST (\\NonExistent) "/" Gone\r\n'
        b"* OK [NOTIFICATIONOVERFLOW] too much\r\nP1 OK done\r\n"
    )
    for at in range(len(answer)):
        _, news = play(Noop(), answer, at=at)
        assert news == [
            Told(MailboxStatus("Lists", messages=5, uid_next=9)),
            Exists(4),
            Listed("LIST", ListedMailbox("New", "/", old_path="Old")),
            Listed("LIST", ListedMailbox("Gone", "/", frozenset({"\\NonExistent"}))),
            Overflowed(),
        ]


def test_news_of_another_mailbox_are_no_answer_to_status() -> None:
    answer = b"* STATUS Other (MESSAGES 9)\r\n* STATUS a (MESSAGES 1)\r\nP1 OK done\r\n"
    told, news = play(Status("a"), answer)
    assert told.messages == 1
    assert news == [Told(MailboxStatus("Other", messages=9))]
    told, _ = play(Status("a"), b"* STATUS Other (MESSAGES 9)\r\nP1 OK done\r\n")
    assert told.messages is None
    told, _ = play(Status("a"), b"* STATUS A (MESSAGES 2)\r\nP1 OK done\r\n")
    assert told.messages == 2
    both = b"* STATUS a (MESSAGES 1)\r\n* STATUS A (MESSAGES 2)\r\nP1 OK done\r\n"
    assert play(Status("a"), both)[0].messages == 1


def test_a_listing_takes_the_counters_of_what_it_lists() -> None:
    answer = b'* LIST () "/" a\r\n* STATUS a (MESSAGES 1)\r\nP1 OK done\r\n'
    (only,), news = play(ListMailboxes(return_status=("MESSAGES",)), answer)
    assert only.status.messages == 1
    assert news == []


def test_only_what_is_offered_is_enabled() -> None:
    names = ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2")
    assert line(Enable(names), "IMAP4rev1 ENABLE QRESYNC") == b"ENABLE CONDSTORE QRESYNC"
    assert line(Enable(names), "ENABLE UTF8=ONLY") == b"ENABLE UTF8=ACCEPT"
    assert line(Enable(names), "IMAP4rev1 CONDSTORE") == b"NOOP"
    assert line(Enable(names)) == b"NOOP"
    enabled, _ = play(Enable(names), b"P1 OK nothing\r\n", "ENABLE QRESYNC")
    assert enabled == frozenset()


@pytest.mark.parametrize("name", ["UTF8=ACCEPT", "IMAP4rev2"])
def test_mailbox_names_are_utf8_once_that_is_enabled(name: str) -> None:
    client = greeted(f"IMAP4rev1 ENABLE LITERAL+ {name}")
    client.begin(Enable((name,)))
    client.receive(f"* ENABLED {name}\r\nP1 OK\r\n".encode())
    client.outgoing()
    client.begin(Status("Entw\u00fcrfe & R&DIE-x"))
    sent = client.outgoing()
    assert sent.startswith('P2 STATUS "Entw\u00fcrfe & R&DIE-x" ('.encode())
    client.receive('* STATUS "Entw\u00fcrfe & R&DIE-x" (MESSAGES 1)\r\nP2 OK\r\n'.encode())
    assert client.result().messages == 1
    client.begin(ListMailboxes())
    client.receive(b'* LIST () "/" "A&AOk-"\r\nP3 OK\r\n')
    assert client.result()[0].path == "A&AOk-"
