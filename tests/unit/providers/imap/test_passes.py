"""Which look a pass takes, from values alone."""

from __future__ import annotations

import msgspec
import pytest

from postroom.imap.types import Exists, Expunged, Fetched, FetchedMessage, MailboxStatus, Selected
from postroom.model.mailbox import MailboxCursor
from postroom.providers.imap.passes import (
    FULL_COMPARE_MS,
    Look,
    News,
    choose,
    is_same,
    is_uid,
    is_uid_validity,
    is_unchanged,
    resync_from,
)

NOW = 1_795_000_000_000
CURSOR = MailboxCursor(
    path="INBOX",
    uid_validity=5,
    number=1,
    uid_next=11,
    highest_modseq=40,
    messages=10,
    compared_ms=NOW - 1,
    is_complete=True,
)
PLAIN = msgspec.structs.replace(CURSOR, highest_modseq=None)


def opened(exists: int = 10, modseq: int | None = None, *, no_modseq: bool = False) -> Selected:
    return Selected("INBOX", exists, 5, 11, modseq, no_modseq=no_modseq)


@pytest.mark.parametrize(
    ("selected", "look"),
    [
        (opened(10, 40), Look.NOTHING),
        (opened(9, 40), Look.FULL),
        (opened(11, 41), Look.CHANGED),
        (opened(10, 39), Look.FULL),
        (opened(10, None), Look.FULL),
        (opened(10, 41, no_modseq=True), Look.FULL),
    ],
)
def test_the_mod_sequence_decides_where_there_is_one(selected: Selected, look: Look) -> None:
    assert choose(CURSOR, selected, News(), NOW) is look


def test_what_came_with_the_opening_is_the_look_while_the_mod_sequence_makes_sense() -> None:
    assert resync_from(CURSOR, NOW) == (5, 40)
    for change in ({"highest_modseq": None}, {"is_complete": False}, {"compared_ms": 0}):
        assert resync_from(msgspec.structs.replace(CURSOR, **change), NOW) is None
    for modseq, look in ((40, Look.RESYNC), (41, Look.RESYNC), (39, Look.FULL), (None, Look.FULL)):
        assert choose(CURSOR, opened(9, modseq), News(), NOW, has_resynced=True) is look
    told = opened(9, 41, no_modseq=True)
    assert choose(CURSOR, told, News(), NOW, has_resynced=True) is Look.FULL


def test_growth_alone_needs_the_new_messages_only() -> None:
    assert choose(PLAIN, opened(12), News(has_grown=True), NOW) is Look.NEW
    assert choose(PLAIN, opened(10), News(has_grown=True), NOW) is Look.FULL
    assert choose(PLAIN, opened(12), News(True, True), NOW) is Look.FULL
    assert choose(PLAIN, opened(12), News(), NOW) is Look.FULL


@pytest.mark.parametrize("age", [FULL_COMPARE_MS, FULL_COMPARE_MS * 9, -1])
def test_the_whole_mailbox_is_compared_in_time_and_when_the_clock_went_back(age: int) -> None:
    cursor = msgspec.structs.replace(CURSOR, compared_ms=NOW - age)
    assert choose(cursor, opened(10, 40), News(), NOW) is Look.FULL


def test_an_incomplete_mailbox_is_compared_as_a_whole() -> None:
    cursor = msgspec.structs.replace(CURSOR, is_complete=False)
    assert choose(cursor, opened(10, 40), News(), NOW) is Look.FULL


def test_news_is_heard_once() -> None:
    news = News()
    assert news.hear(Exists(3))
    assert news.hear(Expunged(1))
    assert news.hear(Fetched(FetchedMessage(1, flags=())))
    assert news.take() == News(True, True, True)
    assert not news


def test_status_proves_by_the_mod_sequence_only() -> None:
    told = MailboxStatus("INBOX", messages=10, uid_next=11, uid_validity=5, highest_modseq=40)
    assert is_unchanged(CURSOR, told, NOW)
    assert not is_unchanged(PLAIN, told, NOW)
    for change in ({"messages": 9}, {"uid_validity": 6}, {"highest_modseq": 41}):
        assert not is_unchanged(CURSOR, msgspec.structs.replace(told, **change), NOW)


def test_counters_are_the_same_only_when_they_were_told() -> None:
    told = MailboxStatus("INBOX", messages=10, uid_next=11)
    assert is_same(told, told)
    assert not is_same(None, told)
    assert not is_same(MailboxStatus("INBOX"), MailboxStatus("INBOX"))


@pytest.mark.parametrize("value", [None, 0, -1, 2**32])
def test_nonsense_is_no_uid_validity(value: int | None) -> None:
    assert not is_uid_validity(value)
    assert not is_uid(value)
