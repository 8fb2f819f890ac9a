from __future__ import annotations

import tracemalloc

import pytest

from postroom.imap.client import ImapClient
from postroom.imap.commands import FlagListing, ListFlags
from postroom.imap.errors import ProtocolViolation
from postroom.imap.lines import MOST_COMBINATIONS, MOST_UID, FlagLines, read_flag_lines
from postroom.imap.sets import UidSet
from postroom.imap.types import Exists, Expunged, Fetched, Unsolicited, Vanished
from tests.unit.imap.dialogue import greeted, play, sent

BITS = {"\\Seen": 1, "\\Flagged": 2, "$x": 4}


def mask(flags: tuple[str, ...]) -> int:
    return sum(BITS.get(flag, 64) for flag in flags)


def listed(
    answer: bytes, command: ListFlags | None = None
) -> tuple[FlagListing, list[Unsolicited]]:
    return play(command or ListFlags("1:*", mask), answer + b"P1 OK done\r\n")


def test_the_line_sent_says_what_is_wanted() -> None:
    assert sent(ListFlags("1:*", mask)) == [b"P1 UID FETCH 1:* (UID FLAGS)\r\n"]
    assert sent(ListFlags("1:9", mask, by_uid=False)) == [b"P1 FETCH 1:9 (UID FLAGS)\r\n"]
    assert sent(ListFlags("1:*", mask, changed_since=7, vanished=True)) == [
        b"P1 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 7 VANISHED)\r\n"
    ]


MIXED = (
    b"* 1 FETCH (UID 3 FLAGS (\\Seen))\r\n"
    b"* 2 FETCH (FLAGS (\\Seen $x) UID 5)\r\n"
    b"* 9 EXISTS\r\n"
    b"* 3 FETCH (UID 7 MODSEQ (12) FLAGS ())\r\n"
    b"* 4 FETCH (UID 8 FLAGS (\\Flagged \\Recent) MODSEQ (12))\r\n"
    b"* 4 EXPUNGE\r\n"
    b"* VANISHED 10:11\r\n"
    b'* 4 FETCH (UID 9 FLAGS (\\Seen) X-ODD "(")\r\n'
    b"* 5 FETCH (UID 12 MODSEQ (8))\r\n"
    b"* 6 FETCH (UID 13)\r\n"
    b"* 6 FETCH (UID 13 FLAGS (odd[1] {2}\r\n()))\r\n"
    b"* 1 FETCH (UID 3 FLAGS (\\Flagged))\r\n"
    b"* VANISHED (EARLIER) 1:2\r\n"
    b"* VANISHED (EARLIER) 4\r\n"
    b"P1 OK done\r\n"
)


def test_lines_of_every_form_are_data_and_the_rest_stays_news_at_every_split() -> None:
    command = ListFlags("1:*", mask, changed_since=1, vanished=True)
    for at in range(len(MIXED) + 1):
        found, news = play(command, MIXED, at=at)
        assert found.entries == {3: 2, 5: 5, 7: 0, 8: 2, 9: 1, 13: 64}, at
        assert found.bare == {12}
        assert found.vanished == UidSet(((1, 2), (4, 4)))
        assert news == [Exists(9), Expunged(4), Vanished(UidSet(((10, 11),)))]


def test_a_gone_message_that_was_not_asked_about_stays_news() -> None:
    found, news = listed(b"* VANISHED (EARLIER) 1:2\r\n")
    assert found.vanished is None
    assert news == [Vanished(UidSet(((1, 2),)), earlier=True)]


@pytest.mark.parametrize(
    "items",
    [b"FLAGS ()", b"UID 0 FLAGS ()", b"UID 4294967295 FLAGS ()", b"UID 9999999999 FLAGS ()"],
)
def test_a_message_without_a_uid_that_can_be_is_no_data(items: bytes) -> None:
    found, news = listed(b"* 1 FETCH (UID 3 FLAGS ())\r\n* 2 FETCH (" + items + b")\r\n")
    assert found == FlagListing({3: 0}, frozenset(), None)
    assert [type(value) for value in news] == [Fetched]


def test_the_highest_uid_is_data() -> None:
    found, _ = listed(b"* 1 FETCH (UID %d FLAGS (\\Seen))\r\n" % MOST_UID)
    assert found.entries == {MOST_UID: 1}


def test_more_messages_than_the_limit_are_a_violation_on_either_road() -> None:
    for line in (b"* 1 FETCH (UID %d FLAGS ())\r\n", b"* 1 FETCH (UID %d  FLAGS ())\r\n"):
        command = ListFlags("1:*", mask, most=3)
        assert len(listed(b"".join(line % uid for uid in (1, 2, 3, 3)), command)[0].entries) == 3
        with pytest.raises(ProtocolViolation):
            listed(b"".join(line % uid for uid in (1, 2, 3, 4)), command)
    with pytest.raises(ProtocolViolation):
        listed(
            b"".join(b"* 1 FETCH (UID %d)\r\n" % uid for uid in (1, 2, 3, 4)),
            ListFlags("1:*", mask, most=3),
        )


def test_the_mask_of_a_combination_is_asked_for_once_and_the_memory_of_them_has_a_limit() -> None:
    asked: list[tuple[str, ...]] = []

    def remember(flags: tuple[str, ...]) -> int:
        asked.append(flags)
        return len(asked)

    lines = FlagLines(remember, most=10**6)
    same = bytearray(b"* 1 FETCH (UID 1 FLAGS (a b))\r\n* 2 FETCH (UID 2 FLAGS (a b))\r\n")
    assert read_flag_lines(same, 0, lines) == len(same)
    assert asked == [("a", "b")]
    many = bytearray().join(
        b"* 1 FETCH (UID %d FLAGS (k%d))\r\n" % (n, n) for n in range(1, MOST_COMBINATIONS + 9)
    )
    assert read_flag_lines(many, 0, lines) == len(many)
    assert len(lines.masks) <= MOST_COMBINATIONS


def test_a_run_ends_before_what_is_no_plain_line() -> None:
    run = b"* 1 FETCH (UID 1 FLAGS ())\r\n* 2 FETCH (UID 2 FLAGS ())\r\n"
    for rest in (
        b"",
        b"* 3 EXISTS\r\n",
        b"* 3 FETCH (UID 3 FLAGS ())",
        b"* 3 FETCH (FLAGS ())\r\n",
    ):
        lines = FlagLines(mask, most=10)
        assert read_flag_lines(bytearray(b"xx" + run + rest), 2, lines) == 2 + len(run)
        assert lines.entries == {1: 0, 2: 0}


def test_flag_lines_mean_the_same_to_other_commands_as_before() -> None:
    client = greeted()
    news = client.receive(b"* 1 FETCH (UID 1 FLAGS ())\r\n* 3 EXISTS\r\n")
    assert [type(value) for value in news] == [Fetched, Exists]


def test_a_peer_that_starts_with_a_flag_line_is_no_imap_server() -> None:
    with pytest.raises(ProtocolViolation):
        ImapClient().receive(b"* 1 FETCH (UID 1 FLAGS ())\r\n")


def test_a_long_listing_in_pieces_leaves_no_bytes_behind() -> None:
    """What is held while half a million lines pass does not grow with them."""
    client = greeted()
    client.begin(ListFlags("1:*", mask))
    batch = b"".join(b"* 7 FETCH (UID %d FLAGS (\\Seen))\r\n" % uid for uid in range(1, 1001))
    client.receive(batch)
    tracemalloc.start()
    try:
        for _ in range(500):
            client.receive(batch[:-5])
            client.receive(batch[-5:])
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    client.receive(b"P1 OK done\r\n")
    assert len(client.result().entries) == 1000
    assert held < len(batch)
    assert peak < 5 * len(batch)
