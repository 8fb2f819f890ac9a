from __future__ import annotations

import tracemalloc

import pytest

from postroom.imap.commands import Find, FindThreads, Search, Sort
from postroom.imap.commands.search import Key
from postroom.imap.errors import AnswerUnreadable, ProtocolViolation
from postroom.imap.types import Thread
from tests.unit.imap.dialogue import greeted, line, play, sent


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


def test_an_extended_search_says_what_it_wants() -> None:
    wanted = Find(("SEEN",), wanted=("MIN", "COUNT"), save=True)
    assert line(wanted, "ESEARCH SEARCHRES") == b"UID SEARCH RETURN (MIN COUNT SAVE) SEEN"
    assert line(wanted, "ESEARCH") == b"UID SEARCH RETURN (MIN COUNT) SEEN"
    assert line(wanted, "IMAP4rev2") == b"UID SEARCH RETURN (MIN COUNT SAVE) SEEN"
    assert line(wanted) == b"UID SEARCH SEEN"
    assert line(Search(), "ESEARCH") == b"UID SEARCH RETURN (ALL) ALL"


@pytest.mark.parametrize(
    "answer",
    [
        b"* SEARCH 9 2 3\r\n",
        b"* SEARCH 9\r\n* SEARCH 2 3\r\n",
        b"* search 2 3 9 (MODSEQ 7)\r\n",
        b"* SEARCH 2 3 9 \r\n",
        b'* ESEARCH (TAG "P1") UID ALL 2:3,9\r\n',
        b"* ESEARCH UID ALL 9,2:3\r\n",
        b'* ESEARCH (TAG "p1") UID MIN 2 MAX 9 COUNT 3 ALL 2:3,9 MODSEQ 7\r\n',
        b'* ESEARCH (TAG "other") UID ALL 2:3,9\r\n',
        b'* ESEARCH (TAG "P1") UID PARTIAL (1:20 2:3,9) COUNT 3\r\n',
    ],
)
def test_every_answer_tells_the_same(answer: bytes) -> None:
    answer += b"P1 OK done\r\n"
    whole, news = play(Find(), answer)
    assert whole.numbers.ranges == ((2, 3), (9, 9))
    assert (whole.least, whole.most, whole.count) == (2, 9, 3)
    assert news == []
    for at in range(len(answer)):
        assert play(Find(), answer, at=at)[0] == whole


def test_a_part_of_what_matches_comes_with_the_count_of_all() -> None:
    wanted = Find(("SEEN",), last=(21, 40))
    assert line(wanted, "ESEARCH PARTIAL") == b"UID SEARCH RETURN (COUNT PARTIAL -21:-40) SEEN"
    answer = b'* ESEARCH (TAG "P1") UID PARTIAL (-21:-40 7,9:11) COUNT 5000\r\nP1 OK\r\n'
    found, _ = play(wanted, answer, "ESEARCH PARTIAL")
    assert (list(found.numbers), found.count) == ([7, 9, 10, 11], 5000)
    answer = b'* ESEARCH (TAG "P1") UID PARTIAL (-21:-40 NIL) COUNT 5\r\nP1 OK\r\n'
    found, _ = play(wanted, answer, "ESEARCH PARTIAL")
    assert (list(found.numbers), found.count) == ([], 5)


def test_the_answer_with_the_right_tag_counts() -> None:
    answer = b'* ESEARCH (TAG "P9") UID ALL 7\r\n* ESEARCH (TAG "P1") UID ALL 2\r\nP1 OK\r\n'
    assert play(Search(), answer)[0] == (2,)


def test_counts_without_numbers_are_as_told() -> None:
    answer = b'* ESEARCH (TAG "P1") UID MIN 2 MAX 900 COUNT 400\r\nP1 OK\r\n'
    found, _ = play(Find(wanted=("MIN", "MAX", "COUNT")), answer)
    assert (found.least, found.most, found.count) == (2, 900, 400)
    nothing, _ = play(Find(), b'* ESEARCH (TAG "P1") UID\r\nP1 OK\r\n')
    assert (list(nothing.numbers), nothing.count, nothing.least) == ([], 0, None)


def test_an_unreadable_answer_costs_the_search_and_not_the_connection() -> None:
    client = greeted("ESEARCH")
    client.begin(Search())
    client.receive(b"* ESEARCH UID ALL 1:3,x\r\nP1 OK done\r\n")
    with pytest.raises(AnswerUnreadable):
        client.result()
    client.begin(Search())
    client.receive(b"* ESEARCH UID ALL 1:3\r\nP2 OK done\r\n")
    assert client.result() == (1, 2, 3)


def test_half_a_million_messages_found_are_some_ranges() -> None:
    listed = b"* SEARCH " + b" ".join(b"%d" % uid for uid in range(1, 500_001))
    client = greeted()
    client.begin(Find())
    tracemalloc.start()
    client.receive(listed + b"\r\nP1 OK done\r\n")
    found = client.result()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.numbers.ranges == ((1, 500_000),)
    # The bytes of the answer stand there some times over while they are read; the numbers never.
    assert most < 6 * len(listed)
    assert found.numbers.highest(20, 3) == [499_980, 499_979, 499_978]


def test_answers_beyond_the_limit_are_a_violation() -> None:
    ranges = b"* ESEARCH UID ALL 1:9000000\r\n"
    with pytest.raises(ProtocolViolation):
        play(Find(), ranges * 2 + b"P1 OK\r\n")


def test_sort_names_its_charset_and_keeps_the_order() -> None:
    assert line(Sort(("REVERSE DATE", "SUBJECT"), ("UNSEEN",))) == (
        b"UID SORT (REVERSE DATE SUBJECT) UTF-8 UNSEEN"
    )
    assert line(Sort(("SIZE",), by_uid=False)) == b"SORT (SIZE) UTF-8 ALL"
    assert play(Sort(("DATE",)), b"* SORT 5 3 4\r\n* SORT 9 x\r\nP1 OK\r\n")[0] == (5, 3, 4, 9)


def test_threads_are_trees() -> None:
    assert line(FindThreads(), "THREAD=ORDEREDSUBJECT THREAD=REFERENCES") == (
        b"UID THREAD REFERENCES UTF-8 ALL"
    )
    # The example of RFC 5256 4, and a thread whose first message is not there.
    answer = b"* THREAD (2)(3 6 (4 23)(44 7 96))((1)(5))()\r\nP1 OK\r\n"
    found, _ = play(FindThreads(), answer)
    answers = (
        Thread(4, (Thread(23),)),
        Thread(44, (Thread(7, (Thread(96),)),)),
    )
    assert found == (
        Thread(2),
        Thread(3, (Thread(6, answers),)),
        Thread(None, (Thread(1), Thread(5))),
    )


def test_a_thread_of_thousands_of_answers_is_read() -> None:
    line_of_answers = b" ".join(b"%d" % number for number in range(1, 5001))
    (found,), _ = play(FindThreads(), b"* THREAD (" + line_of_answers + b")\r\nP1 OK\r\n")
    depth = 0
    while found is not None:
        depth += 1
        found = found.children[0] if found.children else None
    assert depth == 5000
